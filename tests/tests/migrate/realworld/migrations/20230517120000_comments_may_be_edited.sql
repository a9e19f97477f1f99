ALTER TABLE comments ADD COLUMN updated_at timestamptz;
CREATE TRIGGER comments_updated_at BEFORE UPDATE ON comments FOR EACH ROW EXECUTE FUNCTION set_updated_at();
