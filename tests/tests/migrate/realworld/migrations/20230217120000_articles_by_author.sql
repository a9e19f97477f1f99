-- no-transaction
CREATE INDEX CONCURRENTLY articles_author_id ON articles (author_id, created_at DESC);
