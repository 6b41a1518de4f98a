DO $$ BEGIN
IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'control') THEN CREATE ROLE control LOGIN; END IF;
END $$;

ALTER ROLE control PASSWORD '{{secret:operator/password-directory-control}}';

DO $$ BEGIN
IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'postfix') THEN CREATE ROLE postfix LOGIN; END IF;
END $$;

ALTER ROLE postfix PASSWORD '{{secret:operator/password-directory-postfix}}';

DO $$ BEGIN
IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'dovecot') THEN CREATE ROLE dovecot LOGIN; END IF;
END $$;

ALTER ROLE dovecot PASSWORD '{{secret:operator/password-directory-dovecot}}';

DO $$ BEGIN
IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rspamd') THEN CREATE ROLE rspamd LOGIN; END IF;
END $$;

ALTER ROLE rspamd PASSWORD '{{secret:operator/password-directory-rspamd}}';

DO $$ BEGIN
IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'monitor') THEN CREATE ROLE monitor LOGIN; END IF;
END $$;

ALTER ROLE monitor PASSWORD '{{secret:operator/password-directory-monitor}}';

GRANT pg_monitor TO monitor;

