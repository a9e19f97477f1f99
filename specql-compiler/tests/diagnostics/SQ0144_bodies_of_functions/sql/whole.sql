/* The tax. */
create function sales.whole_file() returns numeric language sql as $$ SELECT 1 $$
