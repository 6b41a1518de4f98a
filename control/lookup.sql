-- What daemons ask of the directory, as functions over its tables. PostgreSQL 15 or newer, database in UTF-8.
--
-- The file is run in one transaction by the control plane, whenever it is another than the one that was run last. Every
-- function that daemons may call runs with its owner's rights: their own users see no table, and one view. Answers equal those of
-- `control::Directory`; a property test holds the two together.
--
-- Addresses are taken as clients spell them: in capitals, with quotes or without, domains in Unicode or as A-labels.

DROP SCHEMA IF EXISTS lookup CASCADE;
CREATE SCHEMA lookup;

-- ---------------------------------------------------------------------------------------------------------------------
-- Spelling

-- The seconds since 1970 that limits of time are measured by.
CREATE FUNCTION lookup.seconds() RETURNS bigint LANGUAGE sql STABLE AS
$$ SELECT floor(extract(epoch FROM statement_timestamp()))::bigint $$;

CREATE FUNCTION lookup.folded(content text) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF content ~ '^[\x01-\x7f]*$' THEN
        RETURN lower(content COLLATE "C");
    END IF;
    RETURN normalize(lower(normalize(content, NFC) COLLATE "und-x-icu"), NFC);
END $$;

-- One label in Punycode (RFC 3492 §6.3).
CREATE FUNCTION lookup.punycode(label text) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    code_points int[];
    written text := '';
    n int := 128;
    delta bigint := 0;
    bias int := 72;
    handled int;
    basic int;
    next int;
    point int;
    q bigint;
    k int;
    t int;
BEGIN
    SELECT array_agg(ascii(letter) ORDER BY place) INTO code_points
        FROM regexp_split_to_table(label, '') WITH ORDINALITY AS letters(letter, place);
    FOREACH point IN ARRAY code_points LOOP
        IF point < 128 THEN written := written || chr(point); END IF;
    END LOOP;
    basic := length(written);
    handled := basic;
    IF basic > 0 THEN written := written || '-'; END IF;
    WHILE handled < cardinality(code_points) LOOP
        SELECT min(known) INTO next FROM unnest(code_points) AS known WHERE known >= n;
        delta := delta + (next - n)::bigint * (handled + 1);
        n := next;
        FOREACH point IN ARRAY code_points LOOP
            IF point < n THEN delta := delta + 1; END IF;
            IF point = n THEN
                q := delta;
                k := 36;
                LOOP
                    t := CASE WHEN k <= bias THEN 1 WHEN k >= bias + 26 THEN 26 ELSE k - bias END;
                    EXIT WHEN q < t;
                    written := written || substr('abcdefghijklmnopqrstuvwxyz0123456789', (t + (q - t) % (36 - t))::int + 1, 1);
                    q := (q - t) / (36 - t);
                    k := k + 36;
                END LOOP;
                written := written || substr('abcdefghijklmnopqrstuvwxyz0123456789', q::int + 1, 1);
                -- The bias is adapted (§6.1).
                delta := CASE WHEN handled = basic THEN delta / 700 ELSE delta / 2 END;
                delta := delta + delta / (handled + 1);
                k := 0;
                WHILE delta > 455 LOOP
                    delta := delta / 35;
                    k := k + 36;
                END LOOP;
                bias := k + (36 * delta / (delta + 38))::int;
                delta := 0;
                handled := handled + 1;
            END IF;
        END LOOP;
        delta := delta + 1;
        n := n + 1;
    END LOOP;
    RETURN written;
END $$;

-- A domain as A-labels in lower case.
--
-- Gap: letters are mapped by Unicode's compatibility forms and lower case, which is nearly all that UTS 46 does.
CREATE FUNCTION lookup.a_labels(name text) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF name ~ '^[\x01-\x7f]*$' THEN
        RETURN rtrim(lower(name COLLATE "C"), '.');
    END IF;
    RETURN (
        SELECT string_agg(CASE WHEN label ~ '^[\x01-\x7f]*$' THEN label ELSE 'xn--' || lookup.punycode(label) END, '.' ORDER BY place)
        FROM regexp_split_to_table(
            rtrim(normalize(lower(normalize(name, NFKC) COLLATE "und-x-icu"), NFKC), '.'), '[.。]'
        ) WITH ORDINALITY AS labels(label, place)
    );
END $$;

-- An address in its two parts: what stands between quotes or without them, in lower case, and the domain as A-labels.
-- Nulls where it is none.
CREATE FUNCTION lookup.parts(address text, OUT local text, OUT domain text) LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    at int := length(address) - strpos(reverse(address), '@') + 1;
BEGIN
    IF address IS NULL OR strpos(address, '@') = 0 OR at = 1 OR at = length(address) THEN
        RETURN;
    END IF;
    local := left(address, at - 1);
    IF length(local) > 1 AND local LIKE '"%"' THEN
        local := regexp_replace(substr(local, 2, length(local) - 2), '\\(.)', '\1', 'g');
    END IF;
    IF local = '' THEN
        local := NULL;
        RETURN;
    END IF;
    local := lookup.folded(local);
    domain := lookup.a_labels(substr(address, at + 1));
END $$;

-- Two parts as the key that tables hold, in quotes where they are needed (RFC 5321 §4.1.2, RFC 6531 §3.3).
CREATE FUNCTION lookup.key(local text, domain text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN local ~ '^[^][\s"(),.:;<>@\\\x01-\x1f\x7f]+(\.[^][\s"(),.:;<>@\\\x01-\x1f\x7f]+)*$' THEN local
                ELSE '"' || regexp_replace(local, '(["\\])', '\\\1', 'g') || '"' END || '@' || domain
$$;

-- Postfix before 3.8 calls every text LATIN1, whatever it is: what it asks goes through `asked`, what it is told through
-- `told`.
CREATE FUNCTION lookup.asked(text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT convert_from(convert_to($1, 'LATIN1'), 'UTF8') $$;
CREATE FUNCTION lookup.told(text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT convert_from(convert_to($1, 'UTF8'), 'LATIN1') $$;

-- ---------------------------------------------------------------------------------------------------------------------
-- Settings: documents whose values have types; one of another type counts as not set.

CREATE FUNCTION lookup.flag(settings jsonb, name text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT CASE WHEN jsonb_typeof(settings -> name) = 'boolean' THEN (settings -> name)::boolean END $$;

CREATE FUNCTION lookup.word(settings jsonb, name text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT CASE WHEN jsonb_typeof(settings -> name) = 'string' THEN settings ->> name END $$;

CREATE FUNCTION lookup.whole(settings jsonb, name text) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN jsonb_typeof(settings -> name) = 'number' AND settings ->> name ~ '^-?[0-9]{1,18}$'
                THEN (settings ->> name)::bigint END
$$;

CREATE FUNCTION lookup.words(settings jsonb, name text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(array_agg(item #>> '{}' ORDER BY place) FILTER (WHERE jsonb_typeof(item) = 'string'), '{}')
    FROM jsonb_array_elements(CASE WHEN jsonb_typeof(settings -> name) = 'array' THEN settings -> name ELSE '[]' END)
        WITH ORDINALITY AS items(item, place)
$$;

-- A score in thousandths.
CREATE FUNCTION lookup.score(document jsonb, name text) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT CASE WHEN jsonb_typeof(document -> name) = 'number' THEN round((document ->> name)::numeric * 1000)::bigint END $$;

-- Seconds of a span such as `24h`, `h` or `90ms`; what is left of a second is dropped.
CREATE FUNCTION lookup.span(written text) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT floor(coalesce(nullif(part[1], ''), '1')::numeric
        * CASE part[2] WHEN 'd' THEN 86400 WHEN 'h' THEN 3600 WHEN 'm' THEN 60 WHEN 's' THEN 1 ELSE 0.001 END)::bigint
    FROM regexp_matches(written, '^([0-9]*)(ms|s|m|h|d)$') AS part
$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- Who an address is

-- The domain that mail for a name belongs to: itself, or the one it is an alias of.
CREATE FUNCTION lookup.meant(name text) RETURNS public.domains LANGUAGE plpgsql STABLE AS $$
DECLARE
    found_row public.domains;
BEGIN
    SELECT * INTO found_row FROM public.domains WHERE domains.name = meant.name;
    IF NOT FOUND THEN
        SELECT domains.* INTO found_row FROM public.domain_aliases JOIN public.domains ON domains.name = domain_aliases.domain
            WHERE domain_aliases.name = meant.name;
    END IF;
    RETURN found_row;
END $$;

-- The live account of an address, or of an alias.
CREATE FUNCTION lookup.find(local text, domain text) RETURNS public.mailboxes LANGUAGE plpgsql STABLE AS $$
DECLARE
    found_row public.mailboxes;
    key text := lookup.key(local, domain);
BEGIN
    SELECT * INTO found_row FROM public.mailboxes WHERE address = key AND deleted_at IS NULL;
    IF NOT FOUND THEN
        SELECT mailboxes.* INTO found_row FROM public.aliases JOIN public.mailboxes ON mailboxes.id = aliases.mailbox
            WHERE aliases.address = key AND mailboxes.deleted_at IS NULL;
    END IF;
    RETURN found_row;
END $$;

-- What separates a local part from its detail; null where nothing does.
CREATE FUNCTION lookup.separator() RETURNS text LANGUAGE sql STABLE AS
$$ SELECT nullif(value, '') FROM public.platform WHERE name = 'subaddressing' $$;

-- An account and its detail, without the domain's catch-all.
CREATE FUNCTION lookup.found(local text, domain text, OUT account public.mailboxes, OUT detail text) LANGUAGE plpgsql STABLE AS $$
DECLARE
    separator text;
    base text;
BEGIN
    account := lookup.find(local, domain);
    IF account.id IS NOT NULL THEN
        RETURN;
    END IF;
    separator := lookup.separator();
    IF separator IS NULL OR strpos(local, separator) < 2 THEN
        RETURN;
    END IF;
    base := left(local, strpos(local, separator) - 1);
    detail := substr(local, strpos(local, separator) + length(separator));
    IF detail = '' THEN
        detail := NULL;
        RETURN;
    END IF;
    account := lookup.find(base, domain);
    IF account.id IS NULL THEN
        detail := NULL;
    END IF;
END $$;

-- What every domain has, whether anybody named it or not (RFC 5321 §4.5.1, RFC 2142): mail for it goes to the operator, whose
-- addresses are kept as forwards of accounts that no row stands for.
CREATE FUNCTION lookup.office(office text, domain public.domains) RETURNS public.mailboxes LANGUAGE sql STABLE AS $$
    SELECT jsonb_populate_record(NULL::public.mailboxes, jsonb_build_object(
        'id', CASE office WHEN 'postmaster' THEN -1 ELSE -2 END, 'reseller', domain.reseller, 'domain', domain.name,
        'address', lookup.key(office, domain.name), 'kind', 'forward', 'status', 'active', 'settings', '{}', 'created_at', 0))
    WHERE office IN ('postmaster', 'abuse')
$$;

-- What an address is: `elsewhere`, `unknown` or `account`.
CREATE FUNCTION lookup.resolved(
    address text, OUT what text, OUT account public.mailboxes, OUT domain public.domains, OUT detail text
) LANGUAGE plpgsql STABLE AS $$
DECLARE
    local text;
    name text;
    hit record;
    deleted bigint;
BEGIN
    SELECT parts.local, parts.domain INTO local, name FROM lookup.parts(address) AS parts;
    what := 'elsewhere';
    IF local IS NULL THEN
        RETURN;
    END IF;
    domain := lookup.meant(name);
    IF domain.name IS NULL THEN
        RETURN;
    END IF;
    what := 'unknown';
    SELECT * INTO hit FROM lookup.found(local, domain.name);
    account := hit.account;
    detail := hit.detail;
    IF account.id IS NULL AND domain.catch_all IS NOT NULL THEN
        -- A catch-all takes what was never there. A mailbox that was deleted and can still be restored is refused, so that
        -- its letters do not turn up with somebody else.
        SELECT max(deleted_at) INTO deleted FROM public.mailboxes
            WHERE mailboxes.address = lookup.key(local, domain.name) AND deleted_at IS NOT NULL;
        IF deleted IS NOT NULL AND lookup.seconds() < deleted
            + coalesce((SELECT value::numeric FROM public.platform WHERE platform.name = 'restorable_seconds'), 0) THEN
            RETURN;
        END IF;
        SELECT parts.local, parts.domain INTO local, name FROM lookup.parts(domain.catch_all) AS parts;
        account := lookup.find(local, name);
    END IF;
    IF account.id IS NULL THEN
        account := lookup.office(lower(local), domain);
    END IF;
    IF account.id IS NOT NULL THEN
        what := 'account';
    END IF;
END $$;

-- ---------------------------------------------------------------------------------------------------------------------
-- What holds for an account

CREATE FUNCTION lookup.tier(account public.mailboxes, domain public.domains) RETURNS public.tiers LANGUAGE sql STABLE AS
$$ SELECT tiers FROM public.tiers WHERE name = coalesce(account.tier, domain.tier) $$;

CREATE FUNCTION lookup.suspended(account public.mailboxes, domain public.domains) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT account.status <> 'active' OR domain.status <> 'active'
        OR coalesce(lookup.flag(domain.settings::jsonb, 'disabled'), false)
$$;

-- Whether an account has a service of its tier that nobody switched off; null where its tier is gone.
CREATE FUNCTION lookup.has(account public.mailboxes, domain public.domains, service text, setting text) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT NOT lookup.suspended(account, domain)
        AND CASE WHEN account.kind = 'mailbox' THEN coalesce((tier.document::jsonb -> 'services') ? service, false)
                 ELSE service = 'smtpin' END
        AND coalesce(lookup.word(account.settings::jsonb, setting) NOT IN ('disabled', 'suspended'), true)
    FROM (SELECT (lookup.tier(account, domain)).*) AS tier WHERE tier.name IS NOT NULL
$$;

CREATE FUNCTION lookup.receives(account public.mailboxes, domain public.domains) RETURNS boolean LANGUAGE sql STABLE AS
$$ SELECT coalesce(lookup.has(account, domain, 'smtpin', 'service_smtpin'), false) $$;

-- Whether an account may use a service: `smtp`, `imap`, `pop3`, `sieve`, `webmail`, `calendar`.
CREATE FUNCTION lookup.may_use(account public.mailboxes, domain public.domains, service text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT coalesce(CASE lower(service)
        WHEN 'smtp' THEN lookup.has(account, domain, 'smtprelay', 'service_smtprelay')
        WHEN 'submission' THEN lookup.has(account, domain, 'smtprelay', 'service_smtprelay')
        WHEN 'imap' THEN lookup.has(account, domain, 'imap', 'service_imap4')
        WHEN 'pop3' THEN lookup.has(account, domain, 'pop3', 'service_pop3')
        WHEN 'sieve' THEN lookup.has(account, domain, 'sieve', '')
        WHEN 'managesieve' THEN lookup.has(account, domain, 'sieve', '')
        WHEN 'webmail' THEN lookup.has(account, domain, 'webmail', 'service_webmail')
        WHEN 'calendar' THEN lookup.has(account, domain, 'calendar', '')
    END, false)
$$;

CREATE FUNCTION lookup.quota(account public.mailboxes, domain public.domains) RETURNS bigint LANGUAGE sql STABLE AS
$$ SELECT coalesce(account.quota, (lookup.tier(account, domain)).quota) $$;

CREATE FUNCTION lookup.stricter(score bigint, level text) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN score <= 0 THEN score WHEN level = 'High' THEN score - score / 4 WHEN level = 'Very High' THEN score / 2
                ELSE score END
$$;

-- Whether an account keeps mail, and whether it sends it on.
CREATE FUNCTION lookup.delivers(account public.mailboxes, OUT kept boolean, OUT sent_on boolean) LANGUAGE plpgsql STABLE AS $$
DECLARE
    settings jsonb := account.settings;
BEGIN
    sent_on := account.kind <> 'filter' AND EXISTS (SELECT FROM public.forwards WHERE mailbox = account.id);
    kept := false;
    IF account.kind = 'mailbox' THEN
        sent_on := sent_on AND coalesce(lookup.flag(settings, 'delivery_forward'), true);
        kept := NOT sent_on OR coalesce(lookup.flag(settings, 'delivery_local'), true);
    END IF;
END $$;

-- The members of a list and their aliases, as which they may post.
CREATE FUNCTION lookup.posters(list bigint) RETURNS text[] LANGUAGE plpgsql STABLE AS $$
DECLARE
    posters text[] := '{}';
    member record;
    account public.mailboxes;
BEGIN
    FOR member IN SELECT parts.local, parts.domain FROM public.forwards, lookup.parts(address) AS parts
        WHERE mailbox = list AND parts.local IS NOT NULL ORDER BY position
    LOOP
        posters := posters || lookup.key(member.local, member.domain);
        account := lookup.find(member.local, member.domain);
        IF account.id IS NOT NULL THEN
            posters := posters || account.address || ARRAY(SELECT address FROM public.aliases WHERE mailbox = account.id);
        END IF;
    END LOOP;
    RETURN ARRAY(SELECT DISTINCT poster FROM unnest(posters) AS poster);
END $$;

-- The customer's own server that takes what is clean of a domain's filtered mail, as Postfix spells it: `[host]:port`.
CREATE FUNCTION lookup.filter_server(name text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT '[' || split_part(server, ':', 1) || ']:' || coalesce(nullif(split_part(server, ':', 2), ''), '25')
    FROM (SELECT lookup.word(domains.settings::jsonb, 'filtermx') AS server FROM public.domains WHERE domains.name = filter_server.name)
        AS written
    WHERE server <> ''
$$;

-- Everything that mail for an account leads to. Loops of forwards end where they close.
--
-- `senders` is who may post where a restricted list stands anywhere on the way, else null.
CREATE FUNCTION lookup.expanded(
    account public.mailboxes, domain public.domains, OUT mailboxes text[], OUT stores text[], OUT forwards text[], OUT filtered text[],
    OUT senders text[]
) LANGUAGE plpgsql STABLE AS $$
DECLARE
    seen bigint[] := ARRAY[account.id];
    waiting_accounts public.mailboxes[] := ARRAY[account];
    waiting_domains public.domains[] := ARRAY[domain];
    last int := 1;
    one public.mailboxes;
    its_domain public.domains;
    kept boolean;
    sent_on boolean;
    members text[];
    target text;
    next record;
BEGIN
    mailboxes := '{}';
    stores := '{}';
    forwards := '{}';
    filtered := '{}';
    WHILE last > 0 LOOP
        one := waiting_accounts[last];
        its_domain := waiting_domains[last];
        last := last - 1;
        CONTINUE WHEN NOT lookup.receives(one, its_domain);
        SELECT delivers.kept, delivers.sent_on INTO kept, sent_on FROM lookup.delivers(one) AS delivers;
        IF kept AND one.store IS NOT NULL THEN
            mailboxes := mailboxes || one.address;
            stores := stores || one.store;
        END IF;
        IF one.kind = 'filter' AND one.store IS NOT NULL AND lookup.filter_server(one.domain) IS NOT NULL THEN
            filtered := filtered || one.address;
        END IF;
        CONTINUE WHEN NOT sent_on;
        IF coalesce(lookup.flag(one.settings::jsonb, 'forward_option_restricted'), false) THEN
            members := lookup.posters(one.id);
            senders := CASE WHEN senders IS NULL THEN members
                ELSE ARRAY(SELECT unnest(senders) INTERSECT SELECT unnest(members)) END;
        END IF;
        FOR target IN SELECT f.address FROM public.forwards AS f WHERE f.mailbox = one.id ORDER BY f.position LOOP
            SELECT * INTO next FROM lookup.resolved(target);
            IF next.what = 'elsewhere' THEN
                IF cardinality(forwards) < 5000 AND NOT target = ANY (forwards) THEN
                    forwards := forwards || target;
                END IF;
            ELSIF next.what = 'account' AND cardinality(seen) < 5000 AND NOT (next.account).id = ANY (seen) THEN
                seen := seen || (next.account).id;
                last := last + 1;
                waiting_accounts[last] := next.account;
                waiting_domains[last] := next.domain;
            END IF;
        END LOOP;
    END LOOP;
END $$;

-- An account's address with a detail, where that is found again: not where another account has that very address.
CREATE FUNCTION lookup.with_detail(address text, detail text) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    local text;
    domain text;
    separator text := lookup.separator();
BEGIN
    SELECT parts.local, parts.domain INTO local, domain FROM lookup.parts(address) AS parts;
    IF detail IS NULL OR separator IS NULL OR strpos(local, separator) > 0 THEN
        RETURN address;
    END IF;
    IF (lookup.find(local || separator || detail, domain)).id IS NOT NULL THEN
        RETURN address;
    END IF;
    RETURN lookup.key(local || separator || detail, domain);
END $$;

-- ---------------------------------------------------------------------------------------------------------------------
-- What daemons ask: mail's way in

-- `OK` for a domain of the platform, or another name of one.
CREATE FUNCTION lookup.domain(name text) RETURNS SETOF text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
$$ SELECT 'OK' WHERE (lookup.meant(lookup.a_labels(name))).name IS NOT NULL $$;

-- `OK` for an address that exists, whether it takes mail now or not.
CREATE FUNCTION lookup.recipient(address text) RETURNS SETOF text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
$$ SELECT 'OK' FROM lookup.resolved(address) AS resolved WHERE resolved.what = 'account' $$;

-- What is asked before an address is taken, in the words of access(5): a refusal, the class `members_only` for what leads
-- to a restricted list, the class `quota_STORE` for what lies in one mailbox alone (hyphens of the store's name as `_`).
CREATE FUNCTION lookup.access(address text) RETURNS SETOF text LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    resolved record;
    expanded record;
BEGIN
    SELECT * INTO resolved FROM lookup.resolved(address);
    IF resolved.what <> 'account' THEN
        RETURN;
    END IF;
    IF lookup.receives(resolved.account, resolved.domain) THEN
        SELECT * INTO expanded FROM lookup.expanded(resolved.account, resolved.domain);
        IF cardinality(expanded.mailboxes) + cardinality(expanded.forwards) + cardinality(expanded.filtered) > 0 THEN
            IF expanded.senders IS NOT NULL THEN
                RETURN NEXT 'members_only';
            ELSIF cardinality(expanded.mailboxes) = 1 AND cardinality(expanded.forwards) + cardinality(expanded.filtered) = 0 THEN
                RETURN NEXT 'quota_' || replace(expanded.stores[1], '-', '_');
            END IF;
            RETURN;
        END IF;
    END IF;
    RETURN NEXT '550 5.2.1 takes no mail now';
END $$;

-- Whether a sender may write to an address, as far as restricted lists go: `OK` or no row. The null sender is ''.
CREATE FUNCTION lookup.may_post(address text, sender text) RETURNS SETOF text LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    resolved record;
    senders text[];
BEGIN
    SELECT * INTO resolved FROM lookup.resolved(address);
    IF resolved.what = 'account' THEN
        SELECT expanded.senders INTO senders FROM lookup.expanded(resolved.account, resolved.domain) AS expanded;
    END IF;
    IF senders IS NULL OR EXISTS (
        SELECT FROM lookup.parts(sender) AS parts WHERE lookup.key(parts.local, parts.domain) = ANY (senders)
    ) THEN
        RETURN NEXT 'OK';
    END IF;
END $$;

-- Where mail for an address goes instead, with commas between: mailboxes by their own addresses, and addresses elsewhere.
-- No row for a plain mailbox under its own address. Every answer leads to itself or to nothing when it is asked again.
CREATE FUNCTION lookup.alias(address text) RETURNS SETOF text LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    resolved record;
    expanded record;
    main text;
    written text;
BEGIN
    SELECT * INTO resolved FROM lookup.resolved(address);
    IF resolved.what <> 'account' THEN
        RETURN;
    END IF;
    SELECT * INTO expanded FROM lookup.expanded(resolved.account, resolved.domain);
    main := (resolved.account).address;
    SELECT string_agg(target, ', ' ORDER BY target) INTO written FROM (
        SELECT CASE WHEN mailbox = main THEN lookup.with_detail(main, resolved.detail) ELSE mailbox END AS target
        FROM unnest(expanded.mailboxes) AS mailbox
        UNION SELECT unnest(expanded.forwards)
        UNION SELECT unnest(expanded.filtered)
    ) AS targets;
    IF written IS NOT NULL AND written <> (SELECT lookup.key(parts.local, parts.domain) FROM lookup.parts(address) AS parts) THEN
        RETURN NEXT written;
    END IF;
END $$;

-- The account that a mailbox's address, an alias or a subaddress of one means, without catch-alls.
CREATE FUNCTION lookup.mailbox(address text) RETURNS public.mailboxes LANGUAGE sql STABLE AS $$
    SELECT found.account FROM lookup.parts(address) AS parts, lookup.meant(parts.domain) AS domain,
        lookup.found(parts.local, domain.name) AS found
    WHERE domain.name IS NOT NULL AND (found.account).kind = 'mailbox'
$$;

-- The host name of the store that holds a mailbox.
CREATE FUNCTION lookup.store(address text) RETURNS SETOF text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
$$ SELECT stores.host FROM lookup.mailbox(address) AS account JOIN public.stores ON stores.name = account.store $$;

-- Where mail for a mailbox is handed over.
CREATE FUNCTION lookup.transport(address text) RETURNS SETOF text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
$$ SELECT 'lmtp:inet:' || host || ':24' FROM lookup.store(address) AS host $$;

-- Where what is clean of a filtered address's mail is handed over, by the transport of that name.
CREATE FUNCTION lookup.filtered(address text) RETURNS SETOF text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT 'filtered:' || server FROM lookup.parts(address) AS parts, lookup.meant(parts.domain) AS domain,
        lookup.found(parts.local, domain.name) AS found, lookup.filter_server((found.account).domain) AS server
    WHERE domain.name IS NOT NULL AND (found.account).kind = 'filter' AND server IS NOT NULL
$$;

-- The members of a list, or where an account's mail is sent on to.
CREATE FUNCTION lookup.list_members(list text) RETURNS SETOF text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT forwards.address FROM lookup.resolved(list) AS resolved
        JOIN public.forwards ON forwards.mailbox = (resolved.account).id ORDER BY forwards.position
$$;

-- What the defense does for an address. Lists are patterns of senders, most specific owner first. `keeps` tells whether any
-- of its mail could be held apart: what ends in a mailbox of the platform, or is handed to a customer's own server. `holds` tells
-- whether its spam is, since there is no folder for it.
CREATE FUNCTION lookup.defense(address text) RETURNS TABLE (
    tag numeric, quarantine numeric, reject numeric, subject text, spam_folder text, allow text[], block text[], keeps boolean, holds boolean
) LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    resolved record;
    platform jsonb := (SELECT value FROM public.platform WHERE name = 'defense');
    own jsonb;
    around jsonb;
    own_scores jsonb;
    around_scores jsonb;
    level text;
    tagged bigint;
    held bigint;
    refused bigint;
BEGIN
    SELECT * INTO resolved FROM lookup.resolved(address);
    IF resolved.what <> 'account' OR (lookup.tier(resolved.account, resolved.domain)).name IS NULL THEN
        RETURN;
    END IF;
    own := (resolved.account).settings;
    around := (resolved.domain).settings;
    own_scores := coalesce((resolved.account).declared::jsonb -> 'defense', '{}');
    around_scores := coalesce((resolved.domain).declared::jsonb -> 'defense', '{}');
    level := coalesce(lookup.word(own, 'spamlevel'), lookup.word(around, 'spamlevel'));
    tagged := coalesce(lookup.score(own_scores, 'tag'), lookup.score(around_scores, 'tag'), lookup.score(platform, 'tag'));
    held := coalesce(lookup.score(own_scores, 'quarantine'), lookup.score(around_scores, 'quarantine'), lookup.score(platform, 'quarantine'));
    refused := coalesce(lookup.score(own_scores, 'reject'), lookup.score(around_scores, 'reject'), lookup.score(platform, 'reject'));
    held := lookup.stricter(held, level);
    IF coalesce(lookup.flag(own, 'reject_spam'), false) THEN
        refused := least(held, refused);
    END IF;
    holds := (resolved.account).kind = 'filter';
    IF coalesce(lookup.word(own, 'filterdelivery'), lookup.word(around, 'filterdelivery')) = 'passthrough' THEN
        holds := false;
        -- A score that no message gets.
        held := 1000000000;
    END IF;
    tag := lookup.stricter(tagged, level) / 1000.0;
    quarantine := held / 1000.0;
    reject := refused / 1000.0;
    subject := coalesce(lookup.word(own, 'spamtag'), lookup.word(around, 'spamtag'), platform ->> 'subject');
    spam_folder := coalesce(lookup.word(own, 'spamfolder'), lookup.word(around, 'spamfolder'), 'Spam');
    allow := lookup.words(own, 'allow') || lookup.words(around, 'allow');
    block := lookup.words(own, 'block') || lookup.words(around, 'block');
    keeps := (SELECT cardinality(expanded.mailboxes) + cardinality(expanded.filtered) > 0 FROM lookup.expanded(resolved.account, resolved.domain) AS expanded);
    RETURN NEXT;
END $$;

-- ---------------------------------------------------------------------------------------------------------------------
-- What daemons ask: mail's way out

-- Who may send as an address, or as a subaddress of one, by the name they are signed in with.
CREATE FUNCTION lookup.senders(address text) RETURNS SETOF text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT (found.account).address FROM lookup.parts(address) AS parts, lookup.meant(parts.domain) AS domain,
        lookup.found(parts.local, domain.name) AS found
    WHERE domain.name IS NOT NULL AND (found.account).kind = 'mailbox' AND domain.name = (found.account).domain
$$;

-- Every address that somebody may send as: its own, its aliases, and both in each other name of the domain.
CREATE FUNCTION lookup.sender_addresses(login text) RETURNS SETOF text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH account AS (SELECT * FROM lookup.mailbox(login)),
        own AS (SELECT address FROM account UNION SELECT a.address FROM public.aliases AS a JOIN account ON a.mailbox = account.id)
    SELECT address FROM own
    UNION
    SELECT lookup.key(parts.local, other.name) FROM own, lookup.parts(own.address) AS parts, account
        JOIN public.domain_aliases AS other ON other.domain = account.domain
    ORDER BY 1
$$;

-- How many recipients somebody may send to within how many seconds; no row for as many as they like.
CREATE FUNCTION lookup.send_limit(login text) RETURNS TABLE (recipients bigint, per_seconds bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    key text := (SELECT lookup.key(parts.local, parts.domain) FROM lookup.parts(login) AS parts);
    account public.mailboxes;
    domain public.domains;
    tier public.tiers;
    own bigint;
    rate text[];
BEGIN
    recipients := 0;
    per_seconds := 86400;
    SELECT * INTO account FROM public.mailboxes WHERE address = key AND deleted_at IS NULL;
    SELECT * INTO domain FROM public.domains WHERE name = account.domain AND reseller = account.reseller;
    tier := lookup.tier(account, domain);
    IF tier.name IS NULL THEN
        RETURN NEXT;
        RETURN;
    END IF;
    own := coalesce(lookup.whole(account.settings::jsonb, 'smtp_sent_limit'), lookup.whole(domain.settings::jsonb, 'smtp_sent_limit'));
    IF own IS NOT NULL THEN
        recipients := greatest(own, 0);
        RETURN NEXT;
        RETURN;
    END IF;
    rate := string_to_array(tier.document::jsonb ->> 'send_limit', '/');
    IF rate IS NOT NULL THEN
        recipients := least(rate[1]::numeric, 9223372036854775807)::bigint;
        -- No limit looks back further than 31 days.
        per_seconds := least(greatest(lookup.span(rate[2]), 1), 31 * 86400);
        RETURN NEXT;
    END IF;
END $$;

-- Notes that a mailbox was signed in to by a service, or sent by it (`smtp`); once a minute is enough. Those who only look where a
-- mailbox lies, as deliveries do, are not noted.
CREATE FUNCTION lookup.signed_in(mailbox text, service text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    recorded text := CASE service WHEN 'smtp' THEN 'smtprelay' WHEN 'imap' THEN 'imap4'
        WHEN 'pop3' THEN 'pop3' WHEN 'sieve' THEN 'sieve' WHEN 'webmail' THEN 'webmail' END;
BEGIN
    IF recorded IS NOT NULL AND NOT EXISTS (SELECT FROM public.logins AS known
        WHERE known.login = mailbox AND known.service = recorded AND known.at > lookup.seconds() - 60) THEN
        INSERT INTO public.logins AS known (login, service, at) VALUES (mailbox, recorded, lookup.seconds())
            ON CONFLICT ON CONSTRAINT logins_pkey DO UPDATE SET at = greatest(known.at, excluded.at);
    END IF;
    RETURN true;
EXCEPTION WHEN read_only_sql_transaction THEN
    -- Nobody is kept from their mail because this cannot be written now.
    RETURN true;
END $$;

-- Counts a message with so many recipients and says `OK`, or counts nothing and says nothing: the limit is reached.
CREATE FUNCTION lookup.send_allowance(login text, count bigint) RETURNS SETOF text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    most bigint;
    span bigint;
    at bigint := lookup.seconds();
    start bigint;
    sent numeric;
    key text := (SELECT lookup.key(parts.local, parts.domain) FROM lookup.parts(login) AS parts);
BEGIN
    SELECT recipients, per_seconds INTO most, span FROM lookup.send_limit(login);
    IF most IS NULL THEN
        PERFORM lookup.signed_in(key, 'smtp');
        RETURN NEXT 'OK';
        RETURN;
    END IF;
    start := at - mod(at, greatest(span / 24, 1));
    -- One at a time for each login, or two would both find room for the last.
    PERFORM pg_advisory_xact_lock(hashtextextended(key, 0));
    SELECT coalesce(sum(s.recipients), 0) INTO sent FROM public.send_counts AS s WHERE s.login = key AND s.started_at > at - span;
    IF sent + count > most THEN
        RETURN;
    END IF;
    INSERT INTO public.send_counts AS s (login, started_at, recipients) VALUES (key, start, count)
        ON CONFLICT ON CONSTRAINT send_counts_pkey DO UPDATE SET recipients = s.recipients + excluded.recipients;
    DELETE FROM public.send_counts AS s WHERE s.login = key AND s.started_at < start - 31 * 86400;
    PERFORM lookup.signed_in(key, 'smtp');
    RETURN NEXT 'OK';
END $$;

-- The pool of source addresses that mail of a sender leaves through.
CREATE FUNCTION lookup.outbound(sender text) RETURNS SETOF text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT domain.outbound FROM lookup.parts(sender) AS parts, lookup.meant(parts.domain) AS domain WHERE domain.outbound IS NOT NULL
$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- What daemons ask: signing in

-- The mailbox that a login name means, as it is or by an alias; admins have none.
CREATE FUNCTION lookup.signing_in(
    login text, service text, OUT account public.mailboxes, OUT host text, OUT refused text
) LANGUAGE plpgsql STABLE AS $$
DECLARE
    domain public.domains;
BEGIN
    SELECT found.* INTO account FROM lookup.parts(login) AS parts, lookup.meant(parts.domain) AS meant,
        lookup.find(parts.local, meant.name) AS found
    WHERE meant.name IS NOT NULL AND found.kind = 'mailbox'
        AND NOT EXISTS (SELECT FROM public.admins
            WHERE admins.address = lookup.key(parts.local, parts.domain) AND admins.status = 'active');
    IF account.id IS NULL THEN
        RETURN;
    END IF;
    SELECT * INTO domain FROM public.domains WHERE name = account.domain AND reseller = account.reseller;
    SELECT stores.host INTO host FROM public.stores WHERE stores.name = account.store;
    IF account.store IS NULL OR NOT lookup.may_use(account, domain, service) THEN
        refused := 'this service is switched off for the mailbox';
    END IF;
END $$;

-- Who signs in to a service (`smtp`, `imap`, `pop3`, `sieve`, `webmail`, `calendar`), how the password is checked, and where
-- the mailbox lies. `reason` says why somebody with the right password is refused, else it is null.
CREATE FUNCTION lookup.passdb(login text, service text) RETURNS TABLE (username text, password text, host text, reason text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT (found.account).address, (found.account).password, found.host, found.refused
    FROM lookup.signing_in(login, service) AS found
    WHERE (found.account).password IS NOT NULL
$$;

-- The same for somebody who gives a token where the password goes; no row where it is none. One for single use is used up.
CREATE FUNCTION lookup.passdb_token(login text, service text, secret text) RETURNS TABLE (username text, host text, reason text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    person record;
    held record;
    of_secret text;
BEGIN
    SELECT * INTO person FROM lookup.signing_in(login, service);
    IF (person.account).id IS NULL THEN
        RETURN;
    END IF;
    of_secret := encode(sha256(convert_to((person.account).address, 'UTF8') || '\x00'::bytea || convert_to(secret, 'UTF8')), 'hex');
    SELECT tokens.kind INTO held FROM public.tokens
        WHERE tokens.digest = of_secret AND tokens.login = (person.account).address AND expires_at > lookup.seconds();
    IF NOT FOUND OR held.kind NOT IN ('session', 'sso') THEN
        RETURN;
    END IF;
    IF held.kind = 'sso' THEN
        DELETE FROM public.tokens WHERE tokens.digest = of_secret;
        IF NOT FOUND THEN
            RETURN;
        END IF;
    END IF;
    username := (person.account).address;
    host := person.host;
    reason := person.refused;
    RETURN NEXT;
END $$;

-- Where a mailbox's mail lies and what holds for it, for its own address, an alias, or a subaddress of either.
--
-- The home carries the account's number and not its address: an account that gets the address of a deleted one does not
-- find that one's mail, and nothing has to be moved.
CREATE FUNCTION lookup.userdb(address text) RETURNS TABLE (
    username text, home text, uid int, gid int, quota_bytes bigint, quota_rule text, sieve boolean, sieve_script text,
    autoreply text, autoreply_subject text, autoreply_until bigint, autoreply_seconds bigint, spam_folder text, account bigint, host text
) LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found public.mailboxes := lookup.mailbox(address);
    domain public.domains;
    settings jsonb;
BEGIN
    IF found.id IS NULL THEN
        RETURN;
    END IF;
    SELECT * INTO domain FROM public.domains WHERE name = found.domain AND reseller = found.reseller;
    settings := found.settings;
    username := found.address;
    home := '/var/vmail/' || lpad(mod(found.id, 100)::text, 2, '0') || '/' || found.id;
    uid := 5000;
    gid := 5000;
    quota_bytes := lookup.quota(found, domain);
    quota_rule := '*:bytes=' || coalesce(quota_bytes, 0);
    sieve := lookup.may_use(found, domain, 'sieve');
    sieve_script := lookup.word(settings, 'sieve');
    IF coalesce(lookup.flag(settings, 'delivery_autoresponder'), false) AND lookup.word(settings, 'autoresponder') <> '' THEN
        autoreply_until := lookup.whole(settings, 'autoresponder_option_enddate');
        IF (autoreply_until IS NULL OR lookup.seconds() < autoreply_until)
            AND lookup.seconds() >= coalesce(lookup.whole(settings, 'autoresponder_option_startdate'), 0) THEN
            autoreply := lookup.word(settings, 'autoresponder');
            autoreply_subject := nullif(lookup.word(settings, 'autoresponder_option_subject'), '');
            autoreply_seconds := lookup.whole(settings, 'autoresponder_option_interval');
            autoreply_seconds := 3600 * CASE WHEN autoreply_seconds >= 0 THEN autoreply_seconds ELSE 24 END;
        END IF;
    END IF;
    spam_folder := coalesce(lookup.word(settings, 'spamfolder'), lookup.word(domain.settings::jsonb, 'spamfolder'), 'Spam');
    account := found.id;
    host := (SELECT stores.host FROM public.stores WHERE stores.name = found.store);
    RETURN NEXT;
END $$;

-- Every mailbox of a store by its host name, for what a store does to all of them.
CREATE FUNCTION lookup.mailboxes(store_host text) RETURNS SETOF text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT mailboxes.address FROM public.mailboxes JOIN public.stores ON stores.name = mailboxes.store
    WHERE stores.host = store_host AND mailboxes.kind = 'mailbox' AND mailboxes.deleted_at IS NULL ORDER BY mailboxes.address
$$;

-- The scripts that were given through the API, as a store fetches them: by a mailbox's own address, first what the content is known
-- by, then the content. One runs where its owner has none that is active (`default`).
CREATE VIEW lookup.scripts AS
    SELECT mailboxes.address AS username, 'default'::text AS name, md5(found.sieve_script) AS id, found.sieve_script AS script
    FROM public.mailboxes CROSS JOIN LATERAL lookup.userdb(mailboxes.address) AS found
    WHERE mailboxes.kind = 'mailbox' AND mailboxes.deleted_at IS NULL
        AND found.account = mailboxes.id AND found.sieve AND found.sieve_script <> '';

-- ---------------------------------------------------------------------------------------------------------------------
-- Rights: each daemon may call what it needs, and reads no table; the one view calls what its reader may call.

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA lookup FROM PUBLIC;
DO $$
DECLARE
    allowed record;
    daemon text;
BEGIN
    FOR allowed IN SELECT * FROM (VALUES
        ('asked(text)', '{postfix}'::text[]), ('told(text)', '{postfix}'),
        ('domain(text)', '{postfix,dovecot,rspamd}'), ('recipient(text)', '{postfix,dovecot,rspamd}'),
        ('access(text)', '{postfix}'), ('may_post(text, text)', '{postfix,rspamd}'), ('alias(text)', '{postfix,dovecot}'),
        ('store(text)', '{postfix,dovecot}'), ('transport(text)', '{postfix}'), ('filtered(text)', '{postfix}'), ('list_members(text)', '{postfix,rspamd}'),
        ('defense(text)', '{rspamd,dovecot}'), ('senders(text)', '{postfix,rspamd}'),
        ('sender_addresses(text)', '{postfix,dovecot,rspamd}'), ('send_limit(text)', '{postfix,rspamd}'),
        ('send_allowance(text, bigint)', '{postfix,rspamd}'), ('outbound(text)', '{postfix}'),
        ('passdb(text, text)', '{dovecot}'), ('passdb_token(text, text, text)', '{dovecot}'), ('userdb(text)', '{dovecot}'),
        ('mailboxes(text)', '{dovecot}'), ('signed_in(text, text)', '{dovecot}')
    ) AS rights(function, daemons) LOOP
        FOREACH daemon IN ARRAY allowed.daemons LOOP
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = daemon) THEN
                EXECUTE format('GRANT USAGE ON SCHEMA lookup TO %I', daemon);
                EXECUTE format('GRANT EXECUTE ON FUNCTION lookup.%s TO %I', allowed.function, daemon);
            END IF;
        END LOOP;
    END LOOP;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'dovecot') THEN
        GRANT SELECT ON lookup.scripts TO dovecot;
    END IF;
END $$;
