<?php

$config = [
    'db_dsnw' => 'sqlite:////var/lib/mailwright/roundcube.db?mode=0640',
    'imap_host' => 'tls://access.a.dev.northmail.example:10143',
    'imap_conn_options' => [
        'ssl' => [
            'verify_peer' => true,
            'verify_peer_name' => true,
            'cafile' => '/etc/mailwright/authority.pem',
            'peer_name' => 'access.a.dev.northmail.example',
        ],
    ],
    'imap_delimiter' => '/',
    'smtp_host' => 'tls://balancer.a.dev.northmail.example:587',
    'smtp_user' => '%u',
    'smtp_pass' => '%p',
    'smtp_conn_options' => [
        'ssl' => [
            'verify_peer' => true,
            'verify_peer_name' => true,
            'cafile' => '/etc/mailwright/authority.pem',
            'peer_name' => 'submission.a.dev.northmail.example',
        ],
    ],
    'managesieve_host' => 'tls://access.a.dev.northmail.example:14190',
    'managesieve_conn_options' => [
        'ssl' => [
            'verify_peer' => true,
            'verify_peer_name' => true,
            'cafile' => '/etc/mailwright/authority.pem',
            'peer_name' => 'access.a.dev.northmail.example',
        ],
    ],
    'plugins' => [
        'archive',
        'managesieve',
        'markasjunk',
        'platform_brand',
    ],
    'skin' => 'elastic',
    'drafts_mbox' => 'Drafts',
    'junk_mbox' => 'Spam',
    'sent_mbox' => 'Sent',
    'trash_mbox' => 'Trash',
    'login_lc' => 0,
    'login_autocomplete' => 2,
    'max_message_size' => '36700160',
    'log_driver' => 'stdout',
    'temp_dir' => '/var/lib/mailwright/webmail',
    'use_https' => true,
    'session_samesite' => 'Lax',
    'enable_spellcheck' => false,
    'useragent' => '',
    'http_received_header' => false,
];

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
