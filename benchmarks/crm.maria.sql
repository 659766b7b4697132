-- The same small CRM as in crm.sql, in MariaDB's words.
-- @orders, @notes: how many of customer 1; @strangers: how many orders and notes of the others.
CREATE TABLE customers (
  id bigint AUTO_INCREMENT PRIMARY KEY,
  email varchar(190) NOT NULL UNIQUE,
  name text NOT NULL,
  referred_by bigint REFERENCES customers (id) ON DELETE SET NULL,
  joined datetime(6) NOT NULL DEFAULT current_timestamp(6)
);
CREATE TABLE products (id bigint AUTO_INCREMENT PRIMARY KEY, name text NOT NULL);
CREATE TABLE orders (
  id bigint AUTO_INCREMENT PRIMARY KEY,
  customer bigint NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
  placed date NOT NULL,
  comment text,
  KEY (placed)
);
CREATE TABLE `lines` (
  order_id bigint NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
  position int NOT NULL,
  product bigint NOT NULL REFERENCES products (id),
  quantity int NOT NULL,
  price decimal(12, 2) NOT NULL,
  text text NOT NULL,
  PRIMARY KEY (order_id, position)
);
CREATE TABLE notes (
  id bigint AUTO_INCREMENT PRIMARY KEY,
  customer bigint NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
  written datetime(6) NOT NULL DEFAULT current_timestamp(6),
  body text NOT NULL
);
CREATE TABLE tags (id bigint AUTO_INCREMENT PRIMARY KEY, name text NOT NULL);
CREATE TABLE customer_tags (
  customer bigint NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
  tag bigint NOT NULL REFERENCES tags (id) ON DELETE CASCADE,
  PRIMARY KEY (customer, tag)
);

INSERT INTO customers (email, name) VALUES ('ada@example.com', 'Ada');
INSERT INTO customers (email, name, referred_by)
  SELECT CONCAT('c', seq, '@example.com'), CONCAT('Customer ', seq), IF(seq % 500 = 0, 1, NULL)
  FROM seq_2_to_2001;
INSERT INTO products (name) SELECT CONCAT('Product ', seq) FROM seq_1_to_500;
INSERT INTO tags (name) VALUES ('important');
INSERT INTO customer_tags VALUES (1, 1), (2, 1);

INSERT INTO orders (customer, placed, comment)
  SELECT 1, DATE '2026-01-01' + INTERVAL seq % 300 DAY, CONCAT('comment ', seq)
  FROM seq_1_to_1000000 WHERE seq <= @orders;
INSERT INTO orders (customer, placed, comment)
  SELECT 2 + seq % 2000, DATE '2026-01-01' + INTERVAL seq % 300 DAY, CONCAT('comment ', seq)
  FROM seq_1_to_1000000 WHERE seq <= @strangers;
INSERT INTO `lines`
  SELECT o.id, p.seq, 1 + (o.id * 8 + p.seq) % 500, 1 + p.seq % 3, (o.id + p.seq) % 1000 + 0.99, MD5(CONCAT(o.id, p.seq))
  FROM orders o, seq_1_to_8 p ORDER BY o.id, p.seq;
INSERT INTO notes (customer, body)
  SELECT 1, REPEAT(MD5(seq), 3) FROM seq_1_to_1000000 WHERE seq <= @notes;
INSERT INTO notes (customer, body)
  SELECT 2 + seq % 2000, REPEAT(MD5(seq), 3) FROM seq_1_to_1000000 WHERE seq <= @strangers;
