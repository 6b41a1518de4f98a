-- Times are seconds since 1970-01-01T00:00:00Z. Addresses and domains stand in their folded form.
-- Every table of a tenant's things carries the tenant, so that a look-up can never leave it.

CREATE TABLE platform (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE tiers (
    name TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    quota BIGINT,
    document TEXT NOT NULL
);

CREATE TABLE resellers (
    name TEXT NOT NULL PRIMARY KEY,
    document TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

-- An admin without a reseller is the operator's.
CREATE TABLE admins (
    address TEXT NOT NULL PRIMARY KEY,
    reseller TEXT,
    password TEXT,
    status TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE brands (
    reseller TEXT NOT NULL,
    name TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (reseller, name)
);

CREATE TABLE brand_hosts (
    host TEXT NOT NULL PRIMARY KEY,
    reseller TEXT NOT NULL,
    brand TEXT NOT NULL
);

CREATE TABLE domains (
    name TEXT NOT NULL PRIMARY KEY,
    reseller TEXT NOT NULL,
    tier TEXT NOT NULL,
    brand TEXT,
    cluster TEXT NOT NULL,
    outbound TEXT,
    catch_all TEXT,
    status TEXT NOT NULL,
    settings TEXT NOT NULL,
    declared TEXT,
    created_at BIGINT NOT NULL
);
CREATE INDEX domains_of_reseller ON domains (reseller, name);

CREATE TABLE domain_aliases (
    name TEXT NOT NULL PRIMARY KEY,
    domain TEXT NOT NULL,
    reseller TEXT NOT NULL
);
CREATE INDEX aliases_of_domain ON domain_aliases (domain);

CREATE TABLE workgroups (
    domain TEXT NOT NULL,
    name TEXT NOT NULL,
    reseller TEXT NOT NULL,
    PRIMARY KEY (domain, name)
);

-- A row per account: a mailbox, a filtered address or one that only sends on. Deleted ones stay until they are purged.
CREATE TABLE mailboxes (
    id BIGINT NOT NULL PRIMARY KEY,
    reseller TEXT NOT NULL,
    domain TEXT NOT NULL,
    address TEXT NOT NULL,
    kind TEXT NOT NULL,
    workgroup TEXT,
    tier TEXT,
    brand TEXT,
    password TEXT,
    quota BIGINT,
    store TEXT,
    status TEXT NOT NULL,
    settings TEXT NOT NULL,
    declared TEXT,
    created_at BIGINT NOT NULL,
    deleted_at BIGINT
);
CREATE UNIQUE INDEX mailboxes_live ON mailboxes (address) WHERE deleted_at IS NULL;
CREATE INDEX mailboxes_of_domain ON mailboxes (reseller, domain, address);

CREATE TABLE aliases (
    address TEXT NOT NULL PRIMARY KEY,
    mailbox BIGINT NOT NULL,
    domain TEXT NOT NULL,
    reseller TEXT NOT NULL
);
CREATE INDEX aliases_of_mailbox ON aliases (mailbox);
CREATE INDEX aliases_in_domain ON aliases (domain);

-- Where an account's mail is sent on to; for a list, its members.
CREATE TABLE forwards (
    mailbox BIGINT NOT NULL,
    position BIGINT NOT NULL,
    address TEXT NOT NULL,
    PRIMARY KEY (mailbox, position)
);

CREATE TABLE roles (
    mailbox BIGINT NOT NULL,
    role TEXT NOT NULL,
    object TEXT NOT NULL,
    reseller TEXT NOT NULL,
    PRIMARY KEY (mailbox, role, object)
);

-- A token is kept as its digest only.
CREATE TABLE tokens (
    digest TEXT NOT NULL PRIMARY KEY,
    login TEXT NOT NULL,
    kind TEXT NOT NULL,
    oma BIGINT NOT NULL,
    reason TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX tokens_of_login ON tokens (login);

CREATE TABLE changes (
    id BIGINT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    application TEXT NOT NULL,
    reseller TEXT NOT NULL,
    kind TEXT NOT NULL,
    object TEXT NOT NULL,
    message TEXT NOT NULL
);
CREATE INDEX changes_of_object ON changes (reseller, kind, object, id);

CREATE TABLE send_counts (
    login TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    recipients BIGINT NOT NULL,
    PRIMARY KEY (login, started_at)
);

CREATE TABLE logins (
    login TEXT NOT NULL,
    service TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (login, service)
);
