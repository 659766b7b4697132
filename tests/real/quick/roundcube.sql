-- Two people who use webmail, and what each of them has in it. Plain SQL that all three engines read.
INSERT INTO users (user_id, username, mail_host, created, language, preferences) VALUES
  (101, 'ada@example.com', 'mail.example.com', '2026-01-02 03:04:05', 'en_GB', 'a:1:{s:5:"theme";s:7:"elastic";}'),
  (102, 'bob@example.com', 'mail.example.com', '2026-02-03 04:05:06', 'de_DE', NULL),
  (103, 'ADA@example.com', 'mail.example.net', '2026-03-04 05:06:07', NULL, '');
INSERT INTO identities (identity_id, user_id, changed, del, standard, name, email, signature, html_signature) VALUES
  (201, 101, '2026-01-02 03:04:05', 0, 1, 'Ada O''Neill', 'ada@example.com', 'Best, Ada', 0),
  (202, 101, '2026-01-03 03:04:05', 1, 0, 'Ada (alt)', 'ada+alt@example.com', '', 1),
  (203, 102, '2026-02-03 04:05:06', 0, 1, '张伟', 'bob@example.com', '—', 0);
INSERT INTO responses (response_id, user_id, changed, del, name, data, is_html) VALUES
  (301, 101, '2026-01-04 03:04:05', 0, 'thanks', 'Thank you, %s', 0);
INSERT INTO collected_addresses (address_id, user_id, changed, name, email, type) VALUES
  (401, 101, '2026-01-05 03:04:05', 'Bob', 'bob@example.com', 1),
  (402, 102, '2026-02-05 03:04:05', 'Ada', 'ada@example.com', 2);
INSERT INTO contacts (contact_id, user_id, changed, del, name, email, firstname, surname, vcard, words) VALUES
  (501, 101, '2026-01-06 03:04:05', 0, 'Bob', 'bob@example.com', 'Bob', 'B', 'BEGIN:VCARD', ' bob '),
  (502, 101, '2026-01-06 03:04:05', 0, 'Cy', 'cy@example.com', 'Cy', '', '', ''),
  (503, 102, '2026-02-06 03:04:05', 0, 'Ada', 'ada@example.com', 'Ada', '', '', '');
INSERT INTO contactgroups (contactgroup_id, user_id, changed, del, name) VALUES
  (601, 101, '2026-01-07 03:04:05', 0, 'friends'),
  (602, 102, '2026-02-07 03:04:05', 0, 'friends');
INSERT INTO contactgroupmembers (contactgroup_id, contact_id, created) VALUES
  (601, 501, '2026-01-08 03:04:05'), (601, 502, '2026-01-08 03:04:05'), (602, 503, '2026-02-08 03:04:05');
INSERT INTO cache (user_id, cache_key, expires, data) VALUES (101, 'k', '2027-01-01 00:00:00', 'v');
INSERT INTO cache_index (user_id, mailbox, expires, valid, data) VALUES (101, 'INBOX', NULL, 1, '1:2:3');
INSERT INTO cache_thread (user_id, mailbox, expires, data) VALUES (101, 'INBOX', NULL, '(1)(2)');
INSERT INTO cache_messages (user_id, mailbox, uid, expires, data, flags) VALUES
  (101, 'INBOX', 1, NULL, 'one', 0), (101, 'INBOX', 2, NULL, 'two', 3), (102, 'INBOX', 1, NULL, 'three', 0);
INSERT INTO dictionary (user_id, language, data) VALUES (101, 'en', 'colour'), (NULL, 'en', 'everybody');
INSERT INTO searches (search_id, user_id, type, name, data) VALUES (701, 101, 1, 'unread', 'a:0:{}');
INSERT INTO filestore (file_id, user_id, context, filename, mtime, data) VALUES (801, 101, 'enigma', 'key.asc', 1767323045, 'LS0t');
