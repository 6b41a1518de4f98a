<?php

/** Shows a page in the look of the brand whose host was asked for. */
class platform_brand extends rcube_plugin
{
    public $noframe = false;

    public function init()
    {
        $this->add_hook('render_page', [$this, 'page']);
        $this->add_hook('template_object_loginform', [$this, 'sign_in']);
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

    private function words($brand, $which)
    {
        $language = substr($_SESSION['language'] ?? rcmail::get_instance()->get_user_language() ?? 'en', 0, 2);
        $texts = $brand['texts'] ?? [];
        $own = $texts[$language] ?? reset($texts) ?: [];
        return $own[$which] ?? '';
    }
}
