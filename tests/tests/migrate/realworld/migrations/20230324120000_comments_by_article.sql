CREATE INDEX comments_article_id ON comments (article_id, created_at);
