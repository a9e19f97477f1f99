CREATE FUNCTION crm.audience_size() RETURNS BIGINT
LANGUAGE sql STABLE AS $$
    SELECT count(*) FROM crm.tb_person WHERE consent AND email IS NOT NULL AND deleted_at IS NULL
$$;
