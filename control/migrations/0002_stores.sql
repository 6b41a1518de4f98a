-- Store nodes by name, so that a look-up can say where a mailbox is reached.
CREATE TABLE stores (
    name TEXT NOT NULL PRIMARY KEY,
    cluster TEXT NOT NULL,
    host TEXT NOT NULL
);
