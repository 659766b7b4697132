"""What a torn down system leaves, for the gallery."""

from bot.model.remains import Remain, Remains, Unread

REMAINS = Remains(
    (
        Remain("unit", "/etc/systemd/system/crm.service", 1, ""),
        Remain("unit", "/etc/systemd/system/multi-user.target.wants/crm.service", 1, ""),
        Remain("unit", "/etc/systemd/system/crm-mailer.service", 1, "like"),
        Remain("cron", "/etc/cron.d/crm", 1, ""),
        Remain("nginx", "/etc/nginx/sites-available/crm.conf", 1, ""),
        *(Remain("logrotate", f"/etc/logrotate.d/crm.{number}", 1, "") for number in range(1, 4)),
        Remain("declared", "/opt/*/crm.conf", 12, "roots"),
        Remain("log", "/var/log/crm", 1240, ""),
        Remain("socket", "/run/crm.sock", 1, "special"),
        Remain("user", "crm", 1, "user"),
        Remain("group", "crm", 1, "group"),
        Remain("role", "crm_app", 1, "role"),
        Remain("mention", "/etc/hosts", 1, "shared"),
        Remain("mention", "/var/spool/cron/crontabs/root", 3, "shared"),
    ),
    (Unread("file", "/etc/ssl/private", "no-right"), Unread("mention", "/etc/huge.conf", "too-large")),
    ("/etc", "/run", "/var/log", "/var/spool/cron", "/opt/*/crm.conf"),
)
