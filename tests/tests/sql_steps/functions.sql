-- The functions that depot.yaml declares, as its user would write them.
CREATE FUNCTION depot.price_of(stock integer, rate numeric) RETURNS numeric LANGUAGE sql IMMUTABLE
    AS 'SELECT stock * rate';
CREATE FUNCTION depot.remember(what text) RETURNS boolean LANGUAGE sql
    AS 'INSERT INTO depot.tb_depot (name) VALUES (what) RETURNING TRUE';
CREATE FUNCTION depot.depot_of(item uuid) RETURNS uuid LANGUAGE sql STABLE
    AS 'SELECT d.id FROM depot.tb_item AS i JOIN depot.tb_depot AS d ON d.pk_depot = i.fk_depot WHERE i.id = item';
