require ["comparator-i;ascii-numeric", "envelope", "environment", "fileinto", "mailbox", "relational", "spamtestplus", "vacation", "vacation-seconds", "variables", "vnd.dovecot.environment"];
# From the mailbox's own score on, mail goes to its spam folder, unless the defense says otherwise.
if anyof (header :is "X-Spam-Folder" "yes", allof (not header :is "X-Spam-Folder" "no", spamtest :percent :value "ge" :comparator "i;ascii-numeric" "100")) {
    set "folder" "Spam";
    if environment :matches "vnd.dovecot.config.spam_folder" "?*" {
        set "folder" "${0}";
    }
    fileinto :create "${folder}";
    stop;
}
# Who is away says so, once in a while to each sender (RFC 3834).
if allof (not envelope :localpart :matches "from" ["noreply", "no-reply", "srs0=*"], environment :matches "vnd.dovecot.config.autoreply" "?*") {
    set "reply" "${0}";
    if envelope :matches "to" "*" {
        set "asked" "${0}";
    }
    if header :matches "X-Original-To" "?*" {
        set "asked" "${0}";
    }
    if environment :matches "vnd.dovecot.config.mailbox" "?*" {
        set "mailbox" "${0}";
    }
    set "interval" "1d";
    if environment :matches "vnd.dovecot.config.interval" "?*" {
        set "interval" "${0}";
    }
    if environment :matches "vnd.dovecot.config.subject" "?*" {
        set "subject" "${0}";
        if string :is "${interval}" "1h" {
            vacation :seconds 3600 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "2h" {
            vacation :seconds 7200 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "3h" {
            vacation :seconds 10800 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "4h" {
            vacation :seconds 14400 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "5h" {
            vacation :seconds 18000 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "6h" {
            vacation :seconds 21600 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "7h" {
            vacation :seconds 25200 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "8h" {
            vacation :seconds 28800 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "9h" {
            vacation :seconds 32400 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "10h" {
            vacation :seconds 36000 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "11h" {
            vacation :seconds 39600 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "12h" {
            vacation :seconds 43200 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "13h" {
            vacation :seconds 46800 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "14h" {
            vacation :seconds 50400 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "15h" {
            vacation :seconds 54000 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "16h" {
            vacation :seconds 57600 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "17h" {
            vacation :seconds 61200 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "18h" {
            vacation :seconds 64800 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "19h" {
            vacation :seconds 68400 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "20h" {
            vacation :seconds 72000 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "21h" {
            vacation :seconds 75600 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "22h" {
            vacation :seconds 79200 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "23h" {
            vacation :seconds 82800 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "1d" {
            vacation :days 1 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "2d" {
            vacation :days 2 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "3d" {
            vacation :days 3 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "4d" {
            vacation :days 4 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "5d" {
            vacation :days 5 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "6d" {
            vacation :days 6 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "7d" {
            vacation :days 7 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "8d" {
            vacation :days 8 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "9d" {
            vacation :days 9 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "10d" {
            vacation :days 10 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "11d" {
            vacation :days 11 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "12d" {
            vacation :days 12 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "13d" {
            vacation :days 13 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "14d" {
            vacation :days 14 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "15d" {
            vacation :days 15 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "16d" {
            vacation :days 16 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "17d" {
            vacation :days 17 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "18d" {
            vacation :days 18 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "19d" {
            vacation :days 19 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "20d" {
            vacation :days 20 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "21d" {
            vacation :days 21 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "22d" {
            vacation :days 22 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "23d" {
            vacation :days 23 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "24d" {
            vacation :days 24 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "25d" {
            vacation :days 25 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "26d" {
            vacation :days 26 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "27d" {
            vacation :days 27 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "28d" {
            vacation :days 28 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "29d" {
            vacation :days 29 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "30d" {
            vacation :days 30 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "31d" {
            vacation :days 31 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "32d" {
            vacation :days 32 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "33d" {
            vacation :days 33 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "34d" {
            vacation :days 34 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "35d" {
            vacation :days 35 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "36d" {
            vacation :days 36 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "37d" {
            vacation :days 37 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "38d" {
            vacation :days 38 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "39d" {
            vacation :days 39 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "40d" {
            vacation :days 40 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "41d" {
            vacation :days 41 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "42d" {
            vacation :days 42 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "43d" {
            vacation :days 43 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "44d" {
            vacation :days 44 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "45d" {
            vacation :days 45 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        } elsif string :is "${interval}" "46d" {
            vacation :days 46 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" :subject "${subject}" "${reply}";
        }
    } elsif not environment :matches "vnd.dovecot.config.subject" "?*" {
        if string :is "${interval}" "1h" {
            vacation :seconds 3600 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "2h" {
            vacation :seconds 7200 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "3h" {
            vacation :seconds 10800 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "4h" {
            vacation :seconds 14400 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "5h" {
            vacation :seconds 18000 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "6h" {
            vacation :seconds 21600 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "7h" {
            vacation :seconds 25200 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "8h" {
            vacation :seconds 28800 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "9h" {
            vacation :seconds 32400 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "10h" {
            vacation :seconds 36000 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "11h" {
            vacation :seconds 39600 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "12h" {
            vacation :seconds 43200 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "13h" {
            vacation :seconds 46800 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "14h" {
            vacation :seconds 50400 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "15h" {
            vacation :seconds 54000 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "16h" {
            vacation :seconds 57600 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "17h" {
            vacation :seconds 61200 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "18h" {
            vacation :seconds 64800 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "19h" {
            vacation :seconds 68400 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "20h" {
            vacation :seconds 72000 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "21h" {
            vacation :seconds 75600 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "22h" {
            vacation :seconds 79200 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "23h" {
            vacation :seconds 82800 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "1d" {
            vacation :days 1 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "2d" {
            vacation :days 2 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "3d" {
            vacation :days 3 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "4d" {
            vacation :days 4 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "5d" {
            vacation :days 5 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "6d" {
            vacation :days 6 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "7d" {
            vacation :days 7 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "8d" {
            vacation :days 8 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "9d" {
            vacation :days 9 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "10d" {
            vacation :days 10 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "11d" {
            vacation :days 11 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "12d" {
            vacation :days 12 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "13d" {
            vacation :days 13 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "14d" {
            vacation :days 14 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "15d" {
            vacation :days 15 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "16d" {
            vacation :days 16 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "17d" {
            vacation :days 17 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "18d" {
            vacation :days 18 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "19d" {
            vacation :days 19 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "20d" {
            vacation :days 20 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "21d" {
            vacation :days 21 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "22d" {
            vacation :days 22 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "23d" {
            vacation :days 23 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "24d" {
            vacation :days 24 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "25d" {
            vacation :days 25 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "26d" {
            vacation :days 26 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "27d" {
            vacation :days 27 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "28d" {
            vacation :days 28 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "29d" {
            vacation :days 29 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "30d" {
            vacation :days 30 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "31d" {
            vacation :days 31 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "32d" {
            vacation :days 32 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "33d" {
            vacation :days 33 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "34d" {
            vacation :days 34 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "35d" {
            vacation :days 35 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "36d" {
            vacation :days 36 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "37d" {
            vacation :days 37 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "38d" {
            vacation :days 38 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "39d" {
            vacation :days 39 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "40d" {
            vacation :days 40 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "41d" {
            vacation :days 41 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "42d" {
            vacation :days 42 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "43d" {
            vacation :days 43 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "44d" {
            vacation :days 44 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "45d" {
            vacation :days 45 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        } elsif string :is "${interval}" "46d" {
            vacation :days 46 :addresses ["${asked}"] :from "${mailbox}" :handle "autoreply" "${reply}";
        }
    }
}
