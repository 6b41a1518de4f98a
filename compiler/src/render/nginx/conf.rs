//! A typed writer for the files of nginx.
//!
//! Source: nginx 1.22, `ngx_conf_read_token`. Outside quotes a blank, `;`, `{` or `}` ends a word and `#` begins a comment; in
//! double quotes only `"`, `\` and `$` mean something. Nothing escapes a `$`, so that texts get theirs from a variable that
//! holds one ([`Conf`] declares it where it is needed).

use std::fmt;
use std::net::IpAddr;

use values::HostName;

/// A word of a directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// A word of nginx's own language, as it stands.
    Own(&'static str),
    /// A text in which variables are expanded.
    Expanded(&'static str),
    /// A number.
    Number(u64),
    /// An address.
    Address(IpAddr),
    /// A host name.
    Host(HostName),
    /// Any text, which stands for itself.
    Text(String),
}

/// A directive, with what stands in its block where it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    name: &'static str,
    words: Vec<Word>,
    block: Option<Vec<Directive>>,
}

impl Directive {
    /// Makes a directive.
    pub fn new(name: &'static str, words: impl IntoIterator<Item = Word>) -> Self {
        Self { name, words: words.into_iter().collect(), block: None }
    }

    /// Makes a directive with a block.
    pub fn block(name: &'static str, words: impl IntoIterator<Item = Word>, block: Vec<Self>) -> Self {
        Self { name, words: words.into_iter().collect(), block: Some(block) }
    }

    fn has_dollar(&self) -> bool {
        self.words.iter().any(|word| matches!(word, Word::Text(text) if text.contains('$')))
            || self.block.iter().flatten().any(Self::has_dollar)
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        write!(f, "{:depth$}{}", "", self.name)?;
        self.words.iter().try_for_each(|word| write!(f, " {word}"))?;
        match &self.block {
            None => f.write_str(";\n"),
            Some(block) => {
                f.write_str(" {\n")?;
                block.iter().try_for_each(|directive| directive.write(f, depth + 4))?;
                writeln!(f, "{:depth$}}}", "")
            }
        }
    }
}

/// A whole file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conf {
    directives: Vec<Directive>,
}

impl Conf {
    /// Puts a file together; where a text holds a `$`, the `http` block gets the variable for it.
    pub fn new(mut directives: Vec<Directive>) -> Self {
        if directives.iter().any(Directive::has_dollar) {
            let dollar =
                Directive::block("geo", [Word::Own("$dollar")], vec![Directive::new("default", [Word::Own("\"$\"")])]);
            let http = directives.iter_mut().find(|directive| directive.name == "http");
            if let Some(block) = http.and_then(|http| http.block.as_mut()) {
                block.insert(0, dollar);
            }
        }
        Self { directives }
    }
}

impl fmt::Display for Conf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.directives.iter().try_for_each(|directive| directive.write(f, 0))
    }
}

fn quoted(f: &mut fmt::Formatter<'_>, text: &str, dollar: &str) -> fmt::Result {
    f.write_str("\"")?;
    for character in text.chars() {
        match character {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '$' => f.write_str(dollar)?,
            // nginx keeps texts that end where this character stands.
            '\0' => {}
            _ => write!(f, "{character}")?,
        }
    }
    f.write_str("\"")
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(word) => f.write_str(word),
            Self::Expanded(text) => quoted(f, text, "$"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "{address}"),
            Self::Host(host) => write!(f, "{host}"),
            Self::Text(text) => quoted(f, text, "${dollar}"),
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "the real daemon is asked what it reads")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    use std::process::{Child, Command, Stdio};

    fn told(texts: &[String]) -> Conf {
        let locations = texts.iter().enumerate().map(|(place, text)| {
            let path: &'static str = Box::leak(format!("= /{place}").into_boxed_str());
            let answer = vec![Directive::new("return", [Word::Number(200), Word::Text(text.clone())])];
            Directive::block("location", [Word::Own(path)], answer)
        });
        let server = [Directive::new("listen", [Word::Own("unix:door")])].into_iter().chain(locations).collect();
        let http =
            ["client_body_temp_path", "proxy_temp_path", "fastcgi_temp_path", "uwsgi_temp_path", "scgi_temp_path"]
                .map(|name| Directive::new(name, [Word::Own("t")]));
        let http = [Directive::new("access_log", [Word::Own("off")])].into_iter().chain(http);
        let http = http.chain([Directive::block("server", [], server)]).collect();
        Conf::new(vec![
            Directive::new("daemon", [Word::Own("off")]),
            Directive::new("master_process", [Word::Own("off")]),
            Directive::new("pid", [Word::Own("pid")]),
            Directive::new("error_log", [Word::Own("stderr")]),
            Directive::block("events", [], Vec::new()),
            Directive::block("http", [], http),
        ])
    }

    struct Nginx {
        child: Child,
        folder: tempfile::TempDir,
    }

    impl Drop for Nginx {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    impl Nginx {
        /// Starts nginx on a file; `None` where it is not installed.
        fn start(conf: &Conf) -> Option<Self> {
            let folder = tempfile::tempdir().unwrap();
            let text = conf.to_string().replace("unix:door", &format!("unix:{}/door", folder.path().display()));
            std::fs::write(folder.path().join("nginx.conf"), text).unwrap();
            let child = Command::new("/usr/sbin/nginx")
                .args(["-e", "stderr", "-c", "nginx.conf", "-p"])
                .arg(folder.path())
                .stderr(Stdio::piped())
                .spawn()
                .ok()?;
            let mut it = Self { child, folder };
            while UnixStream::connect(it.folder.path().join("door")).is_err() {
                if it.child.try_wait().unwrap().is_some() {
                    let mut said = String::new();
                    it.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
                    panic!("nginx refuses the file: {said}");
                }
                std::thread::yield_now();
            }
            Some(it)
        }

        fn answer(&self, place: usize) -> Vec<u8> {
            let mut stream = UnixStream::connect(self.folder.path().join("door")).unwrap();
            write!(stream, "GET /{place} HTTP/1.0\r\n\r\n").unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).unwrap();
            let body = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
            answer[body..].to_vec()
        }
    }

    fn check(texts: &[String]) {
        let Some(nginx) = Nginx::start(&told(texts)) else {
            println!("skipped: nginx is not installed");
            return;
        };
        for (place, text) in texts.iter().enumerate() {
            assert_eq!(String::from_utf8_lossy(&nginx.answer(place)), *text, "{text:?}");
        }
    }

    #[test]
    fn what_nginx_answers_is_the_text_that_was_meant() {
        let texts = [
            "x",
            "; return 500;",
            "}",
            "{ # no comment",
            "a \"quoted\" word",
            "C:\\new\\table",
            "$host ${host} $",
            "line\nbreak",
            "it's",
            "\\",
            "\\\"",
            "\\$",
            "tab\there",
            "äöü",
            "include /etc/passwd;",
        ];
        check(&texts.map(str::to_owned));
        check(&["long ".repeat(700)]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4))]
        #[test]
        fn any_texts_are_read_back(texts in proptest::collection::vec("[ -~\n\t\\\\\"'${};#ä]{1,40}", 1..25)) {
            check(&texts);
        }
    }
}
