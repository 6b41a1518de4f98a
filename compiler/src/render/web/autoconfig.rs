//! What mail programs ask a domain's hosts: where mail is read and sent.
//!
//! Source: Mozilla's "Autoconfiguration" (config-v1.1.xml), Microsoft's MS-OXDSCLI (plain `outlook` responses). Both files are
//! the same for every user of a brand: programs put the user's address in themselves.

use std::fmt::Write as _;

use values::HostName;

/// Where a brand's users read and send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// What the product is called.
    pub product: String,
    /// Where IMAP is.
    pub imap: Option<HostName>,
    /// Where POP3 is.
    pub pop3: Option<HostName>,
    /// Where mail is sent.
    pub smtp: Option<HostName>,
    /// A page with help.
    pub help: Option<String>,
}

/// Escapes a text for XML's content and attributes; what XML cannot hold at all becomes a blank.
pub fn escaped(text: &str) -> String {
    let mut written = String::new();
    for character in text.chars() {
        match character {
            '&' => written.push_str("&amp;"),
            '<' => written.push_str("&lt;"),
            '>' => written.push_str("&gt;"),
            '"' => written.push_str("&quot;"),
            '\'' => written.push_str("&#39;"),
            hostile if values::hostile(hostile) || matches!(hostile, '\u{fffe}' | '\u{ffff}') => written.push(' '),
            other => written.push(other),
        }
    }
    written
}

/// A way in: the kind, the host, the port, the socket.
type Way<'a> = (&'static str, &'a HostName, u16, &'static str);

/// Returns `config-v1.1.xml`.
pub fn mozilla(told: &Told, id: &str, domains: &[HostName]) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<clientConfig version=\"1.1\">\n");
    let _ = writeln!(text, "  <emailProvider id=\"{}\">", escaped(id));
    for domain in domains {
        let _ = writeln!(text, "    <domain>{domain}</domain>");
    }
    let product = escaped(&told.product);
    let _ = writeln!(text, "    <displayName>{product}</displayName>");
    let _ = writeln!(text, "    <displayShortName>{product}</displayShortName>");
    let ways: [Option<Way<'_>>; 4] = [
        told.imap.as_ref().map(|host| ("imap", host, 993, "SSL")),
        told.imap.as_ref().map(|host| ("imap", host, 143, "STARTTLS")),
        told.pop3.as_ref().map(|host| ("pop3", host, 995, "SSL")),
        told.pop3.as_ref().map(|host| ("pop3", host, 110, "STARTTLS")),
    ];
    ways.into_iter().flatten().for_each(|way| server(&mut text, "incomingServer", way));
    if let Some(host) = &told.smtp {
        server(&mut text, "outgoingServer", ("smtp", host, 465, "SSL"));
        server(&mut text, "outgoingServer", ("smtp", host, 587, "STARTTLS"));
    }
    if let Some(help) = &told.help {
        let _ = writeln!(text, "    <documentation url=\"{}\"/>", escaped(help));
    }
    text.push_str("  </emailProvider>\n</clientConfig>\n");
    text
}

fn server(text: &mut String, element: &str, (kind, host, port, socket): Way<'_>) {
    let _ = writeln!(
        text,
        "    <{element} type=\"{kind}\">\n      <hostname>{host}</hostname>\n      <port>{port}</port>\n      \
         <socketType>{socket}</socketType>\n      <username>%EMAILADDRESS%</username>\n      \
         <authentication>password-cleartext</authentication>\n    </{element}>"
    );
}

/// Returns the answer to an Autodiscover question.
pub fn microsoft(told: &Told) -> String {
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006\">\n  \
         <Response xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a\">\n    <Account>\n      \
         <AccountType>email</AccountType>\n      <Action>settings</Action>\n",
    );
    let ways = [("IMAP", &told.imap, 993), ("POP3", &told.pop3, 995), ("SMTP", &told.smtp, 465)];
    for (kind, host, port) in ways {
        if let Some(host) = host {
            let _ = writeln!(
                text,
                "      <Protocol>\n        <Type>{kind}</Type>\n        <Server>{host}</Server>\n        <Port>{port}</Port>\n        \
                 <SSL>on</SSL>\n        <Encryption>SSL</Encryption>\n        <SPA>off</SPA>\n        \
                 <AuthRequired>on</AuthRequired>\n        <DomainRequired>on</DomainRequired>\n      </Protocol>"
            );
        }
    }
    text.push_str("    </Account>\n  </Response>\n</Autodiscover>\n");
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_text_opens_or_closes_an_element(text in "(\\PC{0,6}[\\n\\r\\x00<>&\"'a]{0,10}){0,4}") {
            let written = escaped(&text);
            prop_assert!(!written.contains(['<', '>', '"', '\'', '\n', '\r', '\0']));
            let read = written.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'");
            let meant: String = text
                .chars()
                .map(|c| if values::hostile(c) || matches!(c, '\u{fffe}' | '\u{ffff}') { ' ' } else { c })
                .collect();
            prop_assert_eq!(read.replace("&amp;", "&"), meant);
        }
    }
}
