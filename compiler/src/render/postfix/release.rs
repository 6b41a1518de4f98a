//! Versions of Postfix, and the parameters each of them knows.
//!
//! Source: postconf(5) of 3.7 and 3.10.

use std::fmt;

/// A minor release of Postfix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// Of Debian bookworm.
    V3_7,
    /// Of Debian trixie.
    V3_10,
}

impl Version {
    /// Returns the version that a distribution ships, by its code name.
    pub fn of(distribution: &str) -> Self {
        if distribution == "trixie" { Self::V3_10 } else { Self::V3_7 }
    }

    /// Tells whether this version knows a parameter of its own.
    pub fn knows(self, parameter: &str) -> bool {
        KNOWN
            .binary_search_by_key(&parameter, |(name, _)| name)
            .is_ok_and(|at| KNOWN.get(at).is_some_and(|(_, since)| *since <= self))
    }

    /// Refuses a parameter that this version does not know: Postfix would only warn of it, and do something else.
    pub(super) fn must_know(self, parameter: &str) {
        assert!(self.knows(parameter), "Postfix {self} knows no parameter {parameter}");
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V3_7 => "3.7",
            Self::V3_10 => "3.10",
        })
    }
}

/// The parameters that may be written, sorted, with the first of our versions that knows them.
pub const KNOWN: &[(&str, Version)] = &[
    ("2bounce_notice_recipient", Version::V3_7),
    ("alias_database", Version::V3_7),
    ("alias_maps", Version::V3_7),
    ("always_add_missing_headers", Version::V3_7),
    ("append_dot_mydomain", Version::V3_7),
    ("biff", Version::V3_7),
    ("bounce_notice_recipient", Version::V3_7),
    ("bounce_queue_lifetime", Version::V3_7),
    ("bounce_size_limit", Version::V3_7),
    ("bounce_template_file", Version::V3_7),
    ("cleanup_service_name", Version::V3_7),
    ("compatibility_level", Version::V3_7),
    ("data_directory", Version::V3_7),
    ("default_transport", Version::V3_7),
    ("delay_notice_recipient", Version::V3_7),
    ("delay_warning_time", Version::V3_7),
    ("disable_vrfy_command", Version::V3_7),
    ("enable_long_queue_ids", Version::V3_7),
    ("error_notice_recipient", Version::V3_7),
    ("hopcount_limit", Version::V3_7),
    ("import_environment", Version::V3_7),
    ("inet_interfaces", Version::V3_7),
    ("inet_protocols", Version::V3_7),
    ("internal_mail_filter_classes", Version::V3_7),
    ("lmtp_connect_timeout", Version::V3_7),
    ("lmtp_destination_recipient_limit", Version::V3_7),
    ("lmtp_host_lookup", Version::V3_7),
    ("lmtp_tls_CAfile", Version::V3_7),
    ("lmtp_tls_mandatory_protocols", Version::V3_7),
    ("lmtp_tls_protocols", Version::V3_7),
    ("lmtp_tls_security_level", Version::V3_7),
    ("lmtp_tls_verify_cert_match", Version::V3_7),
    ("local_header_rewrite_clients", Version::V3_7),
    ("local_recipient_maps", Version::V3_7),
    ("local_transport", Version::V3_7),
    ("mailbox_size_limit", Version::V3_7),
    ("maillog_file", Version::V3_7),
    ("maximal_backoff_time", Version::V3_7),
    ("maximal_queue_lifetime", Version::V3_7),
    ("message_size_limit", Version::V3_7),
    ("milter_connect_timeout", Version::V3_7),
    ("milter_default_action", Version::V3_7),
    ("milter_macro_daemon_name", Version::V3_7),
    ("milter_protocol", Version::V3_7),
    ("minimal_backoff_time", Version::V3_7),
    ("mydestination", Version::V3_7),
    ("mydomain", Version::V3_7),
    ("myhostname", Version::V3_7),
    ("mynetworks", Version::V3_7),
    ("myorigin", Version::V3_7),
    ("non_smtpd_milters", Version::V3_7),
    ("notify_classes", Version::V3_7),
    ("parent_domain_matches_subdomains", Version::V3_7),
    ("postscreen_access_list", Version::V3_7),
    ("postscreen_dnsbl_action", Version::V3_7),
    ("postscreen_dnsbl_sites", Version::V3_7),
    ("postscreen_dnsbl_threshold", Version::V3_7),
    ("postscreen_greet_action", Version::V3_7),
    ("postscreen_greet_banner", Version::V3_7),
    ("postscreen_greet_wait", Version::V3_7),
    ("postscreen_upstream_proxy_protocol", Version::V3_7),
    ("propagate_unmatched_extensions", Version::V3_7),
    ("queue_directory", Version::V3_7),
    ("recipient_canonical_classes", Version::V3_7),
    ("recipient_canonical_maps", Version::V3_7),
    ("recipient_delimiter", Version::V3_7),
    ("relay_domains", Version::V3_7),
    ("relay_recipient_maps", Version::V3_7),
    ("relay_transport", Version::V3_7),
    ("relayhost", Version::V3_7),
    ("remote_header_rewrite_domain", Version::V3_7),
    ("sender_canonical_classes", Version::V3_7),
    ("sender_canonical_maps", Version::V3_7),
    ("sender_dependent_default_transport_maps", Version::V3_7),
    ("show_user_unknown_table_name", Version::V3_7),
    ("smtp_bind_address", Version::V3_7),
    ("smtp_bind_address6", Version::V3_7),
    ("smtp_bind_address_enforce", Version::V3_7),
    ("smtp_connect_timeout", Version::V3_7),
    ("smtp_dns_support_level", Version::V3_7),
    ("smtp_helo_name", Version::V3_7),
    ("smtp_host_lookup", Version::V3_7),
    ("smtp_tls_CAfile", Version::V3_7),
    ("smtp_tls_mandatory_protocols", Version::V3_7),
    ("smtp_tls_protocols", Version::V3_7),
    ("smtp_tls_security_level", Version::V3_7),
    ("smtp_tls_verify_cert_match", Version::V3_7),
    ("smtpd_banner", Version::V3_7),
    ("smtpd_client_connection_count_limit", Version::V3_7),
    ("smtpd_client_restrictions", Version::V3_7),
    ("smtpd_data_restrictions", Version::V3_7),
    ("smtpd_discard_ehlo_keywords", Version::V3_7),
    ("smtpd_end_of_data_restrictions", Version::V3_7),
    ("smtpd_forbid_bare_newline", Version::V3_7),
    ("smtpd_forbid_bare_newline_exclusions", Version::V3_7),
    ("smtpd_forbid_bare_newline_reject_code", Version::V3_7),
    ("smtpd_forbid_unauth_pipelining", Version::V3_7),
    ("smtpd_helo_required", Version::V3_7),
    ("smtpd_milters", Version::V3_7),
    ("smtpd_policy_service_default_action", Version::V3_7),
    ("smtpd_proxy_filter", Version::V3_7),
    ("smtpd_proxy_options", Version::V3_7),
    ("smtpd_recipient_limit", Version::V3_7),
    ("smtpd_recipient_restrictions", Version::V3_7),
    ("smtpd_relay_restrictions", Version::V3_7),
    ("smtpd_restriction_classes", Version::V3_7),
    ("smtpd_sasl_auth_enable", Version::V3_7),
    ("smtpd_sasl_authenticated_header", Version::V3_7),
    ("smtpd_sasl_path", Version::V3_7),
    ("smtpd_sasl_security_options", Version::V3_7),
    ("smtpd_sasl_tls_security_options", Version::V3_7),
    ("smtpd_sasl_type", Version::V3_7),
    ("smtpd_sender_login_maps", Version::V3_7),
    ("smtpd_sender_restrictions", Version::V3_7),
    ("smtpd_tls_auth_only", Version::V3_7),
    ("smtpd_tls_chain_files", Version::V3_7),
    ("smtpd_tls_mandatory_protocols", Version::V3_7),
    ("smtpd_tls_protocols", Version::V3_7),
    ("smtpd_tls_received_header", Version::V3_7),
    ("smtpd_tls_security_level", Version::V3_7),
    ("smtpd_tls_wrappermode", Version::V3_7),
    ("smtpd_upstream_proxy_protocol", Version::V3_7),
    ("smtputf8_enable", Version::V3_7),
    ("strict_rfc821_envelopes", Version::V3_7),
    ("syslog_name", Version::V3_7),
    ("tls_required_enable", Version::V3_10),
    ("tls_server_sni_maps", Version::V3_7),
    ("tls_ssl_options", Version::V3_7),
    ("transport_maps", Version::V3_7),
    ("unknown_relay_recipient_reject_code", Version::V3_7),
    ("virtual_alias_domains", Version::V3_7),
    ("virtual_alias_expansion_limit", Version::V3_7),
    ("virtual_alias_maps", Version::V3_7),
    ("virtual_alias_recursion_limit", Version::V3_7),
    ("virtual_mailbox_domains", Version::V3_7),
    ("virtual_mailbox_limit", Version::V3_7),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_names_each_parameter_once() {
        assert!(KNOWN.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn a_later_version_knows_more() {
        assert!(Version::V3_7.knows("relayhost") && Version::V3_10.knows("relayhost"));
        assert!(!Version::V3_7.knows("tls_required_enable") && Version::V3_10.knows("tls_required_enable"));
        assert!(!Version::V3_10.knows("relayhosts"));
        assert_eq!((Version::of("bookworm"), Version::of("trixie")), (Version::V3_7, Version::V3_10));
    }

    #[test]
    #[should_panic(expected = "Postfix 3.7 knows no parameter tls_required_enable")]
    fn what_a_version_does_not_know_is_not_written() {
        Version::V3_7.must_know("tls_required_enable");
    }
}
