ALTER TABLE follows ADD CONSTRAINT follows_others CHECK (follower_id <> followed_id);
