<?php

return [
    'webmail.acme.example' => [
        'product' => 'Acme Mail',
        'support' => 'https://acme.example/help',
        'logo' => '/brand/acme/acme/logo.svg',
        'favicon' => '/brand/acme/acme/favicon.png',
        'style' => '/brand-style/acme/acme.css',
        'texts' => [
            'en' => [
                'sign_in' => 'Welcome back',
                'footer' => '© Acme Internet',
            ],
            'fr' => [
                'sign_in' => 'Bon retour',
                'footer' => '© Acme Internet',
            ],
        ],
    ],
    'post.globex.example' => [
        'product' => 'Globex Post',
        'support' => 'https://globex.example/support',
        'logo' => '/brand/globex/globex/logo.svg',
        'favicon' => '/brand/globex/globex/favicon.png',
        'style' => '/brand-style/globex/globex.css',
        'texts' => [
            'en' => [
                'sign_in' => 'Sign in to Globex Post',
                'footer' => 'Globex Corporation',
            ],
        ],
    ],
    '' => [
        'product' => 'Northwind Email',
        'support' => '',
        'logo' => '',
        'favicon' => '',
        'style' => '',
        'texts' => [],
    ],
];
