<?php

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
