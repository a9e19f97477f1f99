INSERT INTO tags (name) VALUES ('rust'), ('postgresql'), ('announcements');
