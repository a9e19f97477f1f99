CREATE VIEW feed AS
SELECT f.follower_id, a.id AS article_id, a.slug, a.title, a.created_at
FROM follows AS f
JOIN articles AS a ON a.author_id = f.followed_id
WHERE a.visibility = 'published';
