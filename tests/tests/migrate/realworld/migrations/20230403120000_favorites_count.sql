ALTER TABLE articles ADD COLUMN favorites_count integer NOT NULL DEFAULT 0;
