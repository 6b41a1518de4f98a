//! Roundcube: webmail in the look of the brand whose host was asked for.
//!
//! Source: Roundcube 1.6, `config/defaults.inc.php` and its plugin interface; PHP-FPM's manual. What a brand is, stands in a file of
//! data; the program that reads it is the same on every platform.

use std::collections::BTreeMap;

use blueprint::platform::SecretReference;
use blueprint::roster::{Brand, Roster};
use blueprint::{Blueprint, File, Node, Piece, Role};
use values::HostName;

use super::php::Php;
use crate::decide::{ports, secrets};
use crate::render::place;
use crate::render::system::AUTHORITY;

/// Where its settings are.
pub const CONFIG: &str = "/etc/roundcube/config.inc.php";
/// The brands, by the host that is asked for.
pub const BRANDS: &str = "/etc/roundcube/brands.inc.php";
/// What users are shown pages in, by their addresses and domains.
pub const PEOPLE: &str = "/etc/roundcube/people.inc.php";
const KEY: &str = "/etc/roundcube/session.key";
const PLUGIN: &str = "/var/lib/roundcube/plugins/platform_brand/platform_brand.php";

/// Where it keeps what users set, on the node itself.
///
/// Gap: each web node has its own, so that what a user set on one is not there on another.
pub const DATABASE: &str = "/var/lib/mailwright/roundcube.db";

/// Behind the settings: what depends on the host that was asked for.
const BY_HOST: &str = "
// Sessions are sealed with a key of this platform's own.
$config['des_key'] = substr(trim(file_get_contents('/etc/roundcube/session.key')), 0, 24);
$brands = include '/etc/roundcube/brands.inc.php';
$asked = strtolower(preg_replace('/:[0-9]+$/', '', $_SERVER['HTTP_HOST'] ?? ''));
$brand = $brands[$asked] ?? $brands[''];
$config['product_name'] = $brand['product'];
$config['support_url'] = $brand['support'];
if ($brand['logo'] !== '') {
    $config['skin_logo'] = ['*' => $brand['logo'], '[favicon]' => $brand['favicon']];
}
$config['platform_brand'] = $brand;
";

/// Lays the brand's colours and words over the pages.
const PLUGIN_TEXT: &str = r#"<?php

/** Shows a page in the look of the brand whose host was asked for. */
class platform_brand extends rcube_plugin
{
    public $noframe = false;

    public function init()
    {
        $this->add_hook('render_page', [$this, 'page']);
        $this->add_hook('template_object_loginform', [$this, 'sign_in']);
        $this->add_hook('user_create', [$this, 'begin']);
        $this->add_hook('login_after', [$this, 'follow']);
    }

    /** Adds the brand's colours, and what stands below each page. */
    public function page($page)
    {
        $brand = rcmail::get_instance()->config->get('platform_brand', []);
        $head = '';
        if (!empty($brand['style'])) {
            $head .= '<link rel="stylesheet" href="' . rcube::Q($brand['style']) . '">';
        }
        $page['content'] = str_replace('</head>', $head . '</head>', $page['content']);
        if ($page['template'] === 'login') {
            $footer = $this->words($brand, 'footer');
            if ($footer !== '') {
                $footer = '<p class="platform-footer">' . rcube::Q($footer) . '</p>';
                $page['content'] = str_replace('</body>', $footer . '</body>', $page['content']);
            }
        }
        return $page;
    }

    /** Says the brand's words over the form. */
    public function sign_in($form)
    {
        $words = $this->words(rcmail::get_instance()->config->get('platform_brand', []), 'sign_in');
        if ($words !== '') {
            $form['content'] = '<p class="platform-sign-in">' . rcube::Q($words) . '</p>' . $form['content'];
        }
        return $form;
    }

    /** Gives a new user the language and the time zone that are declared. */
    public function begin($user)
    {
        $given = $this->given($user['user']);
        if ($given['language'] !== '') {
            $user['language'] = $given['language'];
        }
        if ($given['timezone'] !== '') {
            $user['preferences']['timezone'] = $given['timezone'];
        }
        $user['preferences']['platform_given'] = $given;
        return $user;
    }

    /** Takes a changed declaration over; what users chose themselves stays as long as it stays. */
    public function follow($query)
    {
        $user = rcmail::get_instance()->user;
        $given = $this->given($user->data['username'] ?? '');
        $before = $user->get_prefs()['platform_given'] ?? [];
        if ($given === $before) {
            return $query;
        }
        $preferences = ['platform_given' => $given];
        if ($given['timezone'] !== '' && $given['timezone'] !== ($before['timezone'] ?? '')) {
            $preferences['timezone'] = $given['timezone'];
        }
        if ($given['language'] !== '' && $given['language'] !== ($before['language'] ?? '')) {
            $_SESSION['language'] = $given['language'];
        }
        $user->save_prefs($preferences);
        return $query;
    }

    private function given($user)
    {
        $all = include '/etc/roundcube/people.inc.php';
        $user = strtolower($user);
        $at = strrpos($user, '@');
        $domain = $all['domains'][$at === false ? '' : substr($user, $at + 1)] ?? ['name' => '', 'language' => '', 'timezone' => ''];
        $own = $all['people'][substr($user, 0, (int) $at) . '@' . $domain['name']] ?? [];
        return [
            'language' => ($own['language'] ?? '') ?: $domain['language'],
            'timezone' => ($own['timezone'] ?? '') ?: $domain['timezone'],
        ];
    }

    private function words($brand, $which)
    {
        $language = substr($_SESSION['language'] ?? rcmail::get_instance()->get_user_language() ?? 'en', 0, 2);
        $texts = $brand['texts'] ?? [];
        $own = $texts[$language] ?? reset($texts) ?: [];
        return $own[$which] ?? '';
    }
}
"#;

/// Returns Roundcube's files.
pub fn files(blueprint: &Blueprint, roster: &Roster, node: &Node) -> BTreeMap<String, File> {
    let own = |pieces| File { mode: 0o640, owner: "root:www-data".to_owned(), pieces };
    BTreeMap::from([
        (CONFIG.to_owned(), File::text(format!("<?php\n\n$config = {};\n{BY_HOST}", settings(blueprint, node)))),
        (BRANDS.to_owned(), File::text(format!("<?php\n\nreturn {};\n", brands(blueprint, roster)))),
        (PEOPLE.to_owned(), File::text(format!("<?php\n\nreturn {};\n", people(roster)))),
        (KEY.to_owned(), own(vec![Piece::Secret(session_key())])),
        (PLUGIN.to_owned(), File::text(PLUGIN_TEXT)),
    ])
}

fn session_key() -> SecretReference {
    secrets::password("webmail-session")
}

fn settings(blueprint: &Blueprint, node: &Node) -> Php {
    let access = place::group(blueprint, node, Role::Access);
    let submission = place::group(blueprint, node, Role::Submission);
    // The doors of submission want to hear of the client from a balancer first.
    let sending = place::group(blueprint, node, Role::Balancer).or_else(|| submission.clone());
    let at = |host: &Option<HostName>, port: u16| {
        host.as_ref().map_or_else(String::new, |host| format!("tls://{host}:{port}"))
    };
    let tls = |peer: &Option<HostName>| {
        let mut options = vec![
            ("verify_peer".to_owned(), Php::Flag(true)),
            ("verify_peer_name".to_owned(), Php::Flag(true)),
            ("cafile".to_owned(), Php::text(AUTHORITY)),
        ];
        options.extend(peer.as_ref().map(|peer| ("peer_name".to_owned(), Php::text(peer.as_str()))));
        Php::map([("ssl", Php::Map(options))])
    };
    Php::map([
        ("db_dsnw", Php::text(format!("sqlite:///{DATABASE}?mode=0640"))),
        ("imap_host", Php::text(at(&access, ports::INNER_IMAP))),
        ("imap_conn_options", tls(&access)),
        ("imap_delimiter", Php::text("/")),
        ("smtp_host", Php::text(at(&sending, ports::SUBMISSION))),
        ("smtp_user", Php::text("%u")),
        ("smtp_pass", Php::text("%p")),
        ("smtp_conn_options", tls(&submission)),
        ("managesieve_host", Php::text(at(&access, ports::INNER_MANAGESIEVE))),
        ("managesieve_conn_options", tls(&access)),
        ("plugins", Php::List(["archive", "managesieve", "markasjunk", "platform_brand"].map(Php::text).to_vec())),
        ("skin", Php::text("elastic")),
        ("drafts_mbox", Php::text("Drafts")),
        ("junk_mbox", Php::text("Spam")),
        ("sent_mbox", Php::text("Sent")),
        ("trash_mbox", Php::text("Trash")),
        ("login_lc", Php::Number(0)),
        ("login_autocomplete", Php::Number(2)),
        ("max_message_size", Php::text(format!("{}", blueprint.mail.max_message.as_bytes()))),
        ("log_driver", Php::text("stdout")),
        ("temp_dir", Php::text("/var/lib/mailwright/webmail")),
        ("use_https", Php::Flag(true)),
        ("session_samesite", Php::text("Lax")),
        ("enable_spellcheck", Php::Flag(false)),
        ("useragent", Php::text("")),
        ("http_received_header", Php::Flag(false)),
    ])
}

/// Where nginx answers with a brand's files.
pub fn style_of(brand: &Brand) -> String {
    format!("/brand-style/{}/{}.css", brand.reseller, brand.name)
}

fn brands(blueprint: &Blueprint, roster: &Roster) -> Php {
    let file = |key: &Option<String>| key.as_ref().map_or_else(String::new, |key| format!("/brand/{key}"));
    let looks = |brand: &Brand| {
        let texts = brand.texts.iter().map(|texts| {
            let words = |text: &Option<String>| Php::text(text.clone().unwrap_or_default());
            let language: String = texts.language.chars().take(2).collect();
            (language, Php::map([("sign_in", words(&texts.sign_in)), ("footer", words(&texts.footer))]))
        });
        Php::map([
            ("product", Php::text(brand.product.clone())),
            ("support", Php::text(brand.support.url.clone().unwrap_or_default())),
            ("logo", Php::text(file(&brand.logo))),
            ("favicon", Php::text(file(&brand.favicon))),
            ("style", Php::text(style_of(brand))),
            ("texts", Php::Map(texts.collect())),
        ])
    };
    let hosts = roster.brands.iter().flat_map(|brand| {
        let webmail = brand.hosts.iter().filter(|host| host.purpose == "webmail");
        webmail.map(move |host| (host.host.to_string(), looks(brand)))
    });
    let plain = Php::map([
        ("product", Php::text(blueprint.operator.name.clone())),
        ("support", Php::text("")),
        ("logo", Php::text("")),
        ("favicon", Php::text("")),
        ("style", Php::text("")),
        ("texts", Php::Map(Vec::new())),
    ]);
    Php::Map(hosts.chain([(String::new(), plain)]).collect())
}

/// Returns what is declared of users' languages and time zones; mailboxes that say nothing are as their reseller says.
///
/// A reseller's `en` leaves the language to the browser: it is what webmail speaks where nobody asks for another one.
fn people(roster: &Roster) -> Php {
    let language = |tag: Option<&String>| Php::text(tag.map_or(String::new(), |tag| tag.replace('-', "_")));
    let zone = |zone: Option<&String>| Php::text(zone.cloned().unwrap_or_default());
    let domains = roster.domains.iter().flat_map(|domain| {
        let reseller = roster.resellers.iter().find(|reseller| reseller.name == domain.reseller);
        let of_users = reseller.and_then(|it| it.language.as_ref()).filter(|tag| *tag != "en");
        let around = Php::map([
            ("name", Php::text(domain.name.as_str())),
            ("language", language(of_users)),
            ("timezone", zone(reseller.and_then(|it| it.time_zone.as_ref()))),
        ]);
        let names = [&domain.name].into_iter().chain(&domain.aliases);
        names.map(move |name| (name.to_string(), around.clone())).collect::<Vec<_>>()
    });
    let people = roster.mailboxes.iter().filter_map(|mailbox| Some((mailbox, mailbox.preferences.as_deref()?)));
    let people = people.flat_map(|(mailbox, preferences)| {
        let own = Php::map([
            ("language", language(preferences.language.as_ref())),
            ("timezone", zone(preferences.time_zone.as_ref())),
        ]);
        let addresses = [&mailbox.address].into_iter().chain(&mailbox.aliases);
        addresses.map(move |address| (address.key(), own.clone())).collect::<Vec<_>>()
    });
    Php::map([("domains", Php::Map(domains.collect())), ("people", Php::Map(people.collect()))])
}

/// Returns a brand's colours over the skin's own. Colours are typed and hold nothing but digits.
pub fn style(brand: &Brand) -> String {
    let colours = &brand.colours;
    format!(
        "#layout-menu, .task-login #layout {{ background-color: {background}; color: {text}; }}\n\
         .btn-primary, button.mainaction, .ui-button.mainaction {{ background-color: {primary}; border-color: {primary}; \
         color: {on_primary}; }}\n\
         #taskmenu, #layout-menu .popover-header {{ background-color: {primary}; }}\n\
         #taskmenu a, #taskmenu a.selected {{ color: {on_primary}; }}\n\
         a, .toolbar a.button {{ color: {primary}; }}\n\
         .platform-sign-in, .platform-footer {{ text-align: center; color: {text}; }}\n",
        background = colours.background,
        text = colours.text,
        primary = colours.primary,
        on_primary = colours.on_primary,
    )
}

/// Returns what PHP-FPM runs with.
///
/// - `children`: processes at most.
pub fn pool(children: u64) -> String {
    format!(
        "[global]\ndaemonize = no\nerror_log = syslog\npid = /run/php-webmail.pid\n\n[webmail]\nuser = www-data\n\
         group = www-data\nlisten = /run/php-webmail.sock\nlisten.owner = www-data\nlisten.group = www-data\npm = ondemand\n\
         pm.max_children = {children}\npm.process_idle_timeout = 60s\npm.max_requests = 1000\ncatch_workers_output = yes\n\
         decorate_workers_output = no\nclear_env = yes\nphp_admin_value[expose_php] = off\n\
         php_admin_value[post_max_size] = 64M\nphp_admin_value[upload_max_filesize] = 64M\n\
         php_admin_value[session.save_path] = /var/lib/mailwright/webmail\n"
    )
}
