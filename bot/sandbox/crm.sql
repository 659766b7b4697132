-- The sample CRM: every shape of reference that a deletion has to follow, null or leave alone.

CREATE TABLE users (
  id    INTEGER PRIMARY KEY,
  name  TEXT NOT NULL,
  email TEXT NOT NULL UNIQUE
);

CREATE TABLE accounts (
  id                INTEGER PRIMARY KEY,
  name              TEXT NOT NULL,
  parent_account_id INTEGER REFERENCES accounts (id) ON DELETE SET NULL,
  owner_id          INTEGER REFERENCES users (id) ON DELETE SET NULL,
  revenue           REAL
);
CREATE INDEX accounts_parent ON accounts (parent_account_id);
CREATE INDEX accounts_owner ON accounts (owner_id);

CREATE TABLE customers (
  id          INTEGER PRIMARY KEY,
  email       TEXT UNIQUE,
  name        TEXT NOT NULL,
  phone       TEXT,
  account_id  INTEGER REFERENCES accounts (id),
  referred_by INTEGER REFERENCES customers (id) ON DELETE SET NULL,
  score       REAL,
  remark      TEXT,
  avatar      BLOB
);
CREATE INDEX customers_account ON customers (account_id);
CREATE INDEX customers_referred_by ON customers (referred_by);

CREATE TABLE deals (
  id          INTEGER PRIMARY KEY,
  customer_id INTEGER NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
  owner_id    INTEGER REFERENCES users (id) ON DELETE SET NULL,
  title       TEXT NOT NULL,
  amount      REAL,
  stage       TEXT NOT NULL
);
CREATE INDEX deals_customer ON deals (customer_id);
CREATE INDEX deals_owner ON deals (owner_id);

-- Orders and invoices name each other: a cycle. There is no index on deal_id, on purpose: the plan must say so.
CREATE TABLE orders (
  id          INTEGER PRIMARY KEY,
  customer_id INTEGER NOT NULL REFERENCES customers (id),
  deal_id     INTEGER REFERENCES deals (id) ON DELETE SET NULL,
  invoice_id  INTEGER REFERENCES invoices (id) DEFERRABLE INITIALLY DEFERRED,
  placed_on   TEXT NOT NULL,
  status      TEXT NOT NULL
);
CREATE INDEX orders_customer ON orders (customer_id);
CREATE INDEX orders_invoice ON orders (invoice_id);

CREATE TABLE invoices (
  id       INTEGER PRIMARY KEY,
  order_id INTEGER NOT NULL REFERENCES orders (id) DEFERRABLE INITIALLY DEFERRED,
  number   TEXT NOT NULL UNIQUE,
  total    REAL NOT NULL
);
CREATE INDEX invoices_order ON invoices (order_id);

CREATE TABLE order_lines (
  order_id   INTEGER NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
  line_no    INTEGER NOT NULL,
  product    TEXT NOT NULL,
  quantity   INTEGER NOT NULL,
  unit_price REAL NOT NULL,
  PRIMARY KEY (order_id, line_no)
);

-- A note belongs to a customer, an order or a deal; no foreign key says so.
CREATE TABLE notes (
  id           INTEGER PRIMARY KEY,
  subject_type TEXT NOT NULL,
  subject_id   INTEGER NOT NULL,
  author_id    INTEGER REFERENCES users (id) ON DELETE SET NULL,
  body         TEXT
);
CREATE INDEX notes_subject ON notes (subject_type, subject_id);
CREATE INDEX notes_author ON notes (author_id);

CREATE TABLE tags (
  id    INTEGER PRIMARY KEY,
  label TEXT NOT NULL UNIQUE
);

CREATE TABLE customer_tags (
  customer_id INTEGER NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
  tag_id      INTEGER NOT NULL REFERENCES tags (id),
  PRIMARY KEY (customer_id, tag_id)
);
CREATE INDEX customer_tags_tag ON customer_tags (tag_id);
