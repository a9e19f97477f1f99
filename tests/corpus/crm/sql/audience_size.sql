SELECT count(*) FROM crm.tb_person WHERE consent AND email IS NOT NULL AND deleted_at IS NULL
