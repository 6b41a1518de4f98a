//! The ports that nodes answer on.

/// SMTP between hosts of the internet (RFC 5321 §4.5.4.2).
pub const SMTP: u16 = 25;
/// LMTP at a store.
pub const LMTP: u16 = 24;
/// Submission with STARTTLS (RFC 6409 §3.1).
pub const SUBMISSION: u16 = 587;
/// Submission with implicit TLS (RFC 8314 §3.3).
pub const SUBMISSIONS: u16 = 465;
/// IMAP (RFC 9051 §2.1).
pub const IMAP: u16 = 143;
/// IMAP with implicit TLS (RFC 8314 §3.2).
pub const IMAPS: u16 = 993;
/// POP3 (RFC 1939 §3).
pub const POP3: u16 = 110;
/// POP3 with implicit TLS (RFC 8314 §3.1).
pub const POP3S: u16 = 995;
/// ManageSieve (RFC 5804 §1.8).
pub const MANAGESIEVE: u16 = 4190;
/// HTTP, which only says where else to go.
pub const HTTP: u16 = 80;
/// IMAP of an access node for nodes of the platform that speak for users, such as webmail: no PROXY protocol comes first.
pub const INNER_IMAP: u16 = 10143;
/// ManageSieve of an access node for the same.
pub const INNER_MANAGESIEVE: u16 = 14190;
/// HTTPS.
pub const HTTPS: u16 = 443;
/// DNS.
pub const DNS: u16 = 53;
/// The resolver that the platform's own nodes ask: on the inner addresses of a node whose front addresses have the
/// authoritative server.
pub const RESOLVER: u16 = 53;
/// The authoritative server, for the resolver beside it and for the servers that copy its zones.
pub const ZONES: u16 = 5353;
/// SMTP between nodes: past the tests for strangers, never reached from outside.
pub const RELAY: u16 = 10025;
/// Where an outbound node takes what was forwarded, whose senders it rewrites.
pub const FORWARDED: u16 = 10026;
/// The first port at which an outbound node takes mail for a pool other than the default one.
pub const POOLS: u16 = 10100;
/// Where a Postfix asks, on its own node, who may write to a list and who has sent too much.
pub const POLICY: u16 = 10031;
/// Where a submission node's Postfix has senders in headers looked at, on the node itself.
pub const SENDER_CHECK: u16 = 10032;
/// Where a scanner asks what recipients want, on the node itself.
pub const LEVELS: u16 = 10033;
/// Where senders of forwarded mail are rewritten, on the node itself.
pub const SRS_FORWARD: u16 = 10001;
/// Where rewritten senders are read back, on the node itself.
pub const SRS_REVERSE: u16 = 10002;
/// Where an mx takes back what the gateway form of the defense has looked at.
pub const RETURNED: u16 = 10027;
/// Where an mx takes, on itself, what no gateway looks at while none answers.
pub const UNSCANNED: u16 = 10028;
/// The gateway form of the defense, where an mx hands a message over before it answers; on the mx itself, the way to it.
pub const GATEWAY: u16 = 10024;
/// The milter form of the defense.
pub const MILTER: u16 = 11332;
/// Rspamd's controller.
pub const DEFENSE_CONTROLLER: u16 = 11334;
/// Where a store says whether a mailbox has room.
pub const QUOTA_STATUS: u16 = 12340;
/// Where a store checks sign-ins for other daemons.
pub const SASL: u16 = 12345;
/// Redis.
pub const REDIS: u16 = 6379;
/// Redis's sentinels.
pub const SENTINEL: u16 = 26379;

/// Where a scanner finds the cache that takes writes: HAProxy on its own node.
pub const CACHE_MASTER: u16 = 6380;
/// The first port on loopback at which an access node finds the stores' IMAP, where HAProxy leads to them.
pub const STORES_IMAP: u16 = 20000;
/// The same for POP3.
pub const STORES_POP3: u16 = 21000;
/// The same for ManageSieve.
pub const STORES_MANAGESIEVE: u16 = 22000;
/// PostgreSQL.
pub const POSTGRESQL: u16 = 5432;
/// `mailwright-serve api`, on loopback behind a proxy.
pub const SERVE: u16 = 8080;
/// pgbouncer.
pub const PGBOUNCER: u16 = 6432;
/// etcd on loopback.
pub const ELECTOR: u16 = 2379;
/// etcd among its own.
pub const ELECTOR_PEERS: u16 = 2380;
/// The way to the directory's node that takes writes, on loopback.
pub const PRIMARY: u16 = 5431;
/// Patroni.
pub const PATRONI: u16 = 8008;
/// Radicale.
pub const CALDAV: u16 = 5232;
/// Prometheus.
pub const PROMETHEUS: u16 = 9090;
/// Alertmanager.
pub const ALERTMANAGER: u16 = 9093;
/// Where a Dovecot says what it has done, for the monitor.
pub const DOVECOT_METRICS: u16 = 9900;
/// Where nodes ship their journals to.
pub const JOURNAL: u16 = 19532;
/// Where a balancer says how it is.
pub const BALANCER_STATUS: u16 = 8404;
