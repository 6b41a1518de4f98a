//! The settings that each version of Dovecot knows, of those that files are made from.
//!
//! The tests ask the real daemon about each of them, where one is installed.

use super::Version;

/// Settings that both know.
pub const BOTH: [&str; 57] = [
    "args",
    "auth_mechanisms",
    "auth_username_chars",
    "auth_username_format",
    "auth_verbose",
    "auto",
    "autoexpunge",
    "client_limit",
    "default_vsz_limit",
    "driver",
    "executable",
    "filter",
    "first_valid_gid",
    "first_valid_uid",
    "haproxy",
    "haproxy_trusted_networks",
    "hidden",
    "hostname",
    "inbox",
    "lazy_expunge",
    "list",
    "listen",
    "lmtp_rcpt_check_quota",
    "log_path",
    "login_greeting",
    "login_trusted_networks",
    "mail_gid",
    "mail_max_userip_connections",
    "mail_uid",
    "mailbox_list_index",
    "mode",
    "port",
    "postmaster_address",
    "prefix",
    "process_limit",
    "process_min_avail",
    "quota",
    "quota_full_tempfail",
    "quota_status_nouser",
    "quota_status_overquota",
    "quota_status_success",
    "quota_status_toolarge",
    "recipient_delimiter",
    "separator",
    "sieve",
    "sieve_max_redirects",
    "sieve_spamtest_status_header",
    "sieve_spamtest_status_type",
    "sieve_vacation_max_period",
    "sieve_vacation_min_period",
    "special_use",
    "ssl",
    "ssl_client_ca_file",
    "ssl_min_protocol",
    "submission_host",
    "submission_ssl",
    "subscriptions",
];

/// Settings of 2.3 alone.
pub const ONLY_2_3: [&str; 17] = [
    "disable_plaintext_auth",
    "location",
    "mail_location",
    "mail_plugins",
    "protocols",
    "quota_grace",
    "quota_rule2",
    "quota_vsizes",
    "service_count",
    "sieve_before",
    "sieve_global_extensions",
    "sieve_spamtest_max_value",
    "sieve_variables_max_variable_size",
    "ssl_ca",
    "ssl_cert",
    "ssl_key",
    "ssl_require_crl",
];

/// Settings of 2.4 alone.
pub const ONLY_2_4: [&str; 34] = [
    "active_path",
    "auth_allow_cleartext",
    "bin_path",
    "dovecot_config_version",
    "dovecot_storage_version",
    "imap",
    "imap_quota",
    "lazy_expunge_mailbox",
    "lmtp",
    "mail_driver",
    "mail_path",
    "mail_privileged_group",
    "mail_volatile_path",
    "name",
    "passdb_sql_query",
    "path",
    "pop3",
    "quota_ignore",
    "quota_storage_grace",
    "restart_request_count",
    "sieve_spamtest_score_max_value",
    "sieve_variables_max_value_size",
    "spamtest",
    "spamtestplus",
    "sql_table",
    "ssl_server_cert_file",
    "ssl_server_key_file",
    "type",
    "userdb_sql_iterate_query",
    "userdb_sql_query",
    "username_field",
    "vacation-seconds",
    "value",
    "vnd.dovecot.environment",
];

/// Sections that both know.
const SECTIONS: [&str; 11] = [
    "dict",
    "inet_listener",
    "local_name",
    "mailbox",
    "namespace",
    "passdb",
    "protocol",
    "service",
    "unix_listener",
    "userdb",
    "metric",
];

/// Sections of 2.4 alone.
const SECTIONS_2_4: [&str; 9] = [
    "dict_map",
    "dict_server",
    "key_field",
    "mail_plugins",
    "protocols",
    "quota",
    "sieve_global_extensions",
    "sieve_script",
    "value_field",
];

/// Tells whether a version knows a setting.
pub fn known(version: Version, name: &str) -> bool {
    BOTH.contains(&name)
        || match version {
            Version::V2_3 => ONLY_2_3.contains(&name),
            Version::V2_4 => ONLY_2_4.contains(&name),
        }
}

/// Tells whether a version knows a kind of section.
pub fn known_section(version: Version, kind: &str) -> bool {
    SECTIONS.contains(&kind)
        || match version {
            Version::V2_3 => kind == "plugin",
            Version::V2_4 => SECTIONS_2_4.contains(&kind),
        }
}
