<?php

return [
    'domains' => [
        'acme.example' => [
            'name' => 'acme.example',
            'language' => '',
            'timezone' => 'America/Toronto',
        ],
        'acme-mail.example' => [
            'name' => 'acme.example',
            'language' => '',
            'timezone' => 'America/Toronto',
        ],
        'globex.example' => [
            'name' => 'globex.example',
            'language' => '',
            'timezone' => 'America/Vancouver',
        ],
    ],
    'people' => [],
];
