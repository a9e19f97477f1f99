CREATE TYPE visibility AS ENUM ('draft', 'published');
ALTER TABLE articles ADD COLUMN visibility visibility NOT NULL DEFAULT 'published';
