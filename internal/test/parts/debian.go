package parts

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// suite is the Debian release whose versions the documentation names. newer are the
// systems of the next one: bookworm's OpenSMTPD, made for OpenSSL 1.1, fails in each
// handshake with its OpenSSL 3 (github.com/OpenSMTPD/OpenSMTPD issues 1171 and 1239).
const suite = "bookworm"

var newer = map[string]string{"opensmtpd-tls": "trixie", "valkey": "trixie"}

// systems are the Debian systems of the tests, with the packages of each.
var systems = map[string][]string{
	"exim":          {"exim4-daemon-heavy"},
	"opensmtpd":     {"opensmtpd"},
	"opensmtpd-tls": {"opensmtpd", "ca-certificates"},
	"sendmail":      {"sendmail-bin", "sendmail-cf", "m4"},
	"senders": {"swaks", "msmtp", "s-nail", "curl", "sendemail", "mutt", "python3", "perl", "php-cli", "libphp-phpmailer", // programs that send mail
		"perl-openssl-defaults", "libnet-ssleay-perl", "libio-socket-ssl-perl"},
	"systemd": {"systemd-sysv", "dbus", "iproute2", "openssl", "logrotate"}, // boots
	"valkey":  {"valkey-server", "valkey-sentinel", "valkey-tools"},
}

// systemTime bounds the making of one system: a minute on an idle machine.
const systemTime = 15 * time.Minute

// Systems are the names that Debian accepts.
func Systems() []string { return slices.Sorted(maps.Keys(systems)) }

// Debian returns the root folder of the system of that name. Tests share it and
// leave it as it is. Making it needs root, debootstrap and unshare.
func Debian(ctx context.Context, log func(format string, args ...any), name string) (string, error) {
	packages, ok := systems[name]
	if !ok {
		return "", fmt.Errorf("parts: no system %q among %q", name, Systems())
	}
	suite := cmp.Or(newer[name], suite)
	recipe := suite + " " + strings.Join(packages, ",")
	return cached(ctx, log, "debian-"+name, recipe, func(dir string) error {
		ctx, cancel := context.WithTimeout(ctx, systemTime)
		defer cancel()
		return retry(ctx, log, func() error { return debootstrap(ctx, suite, dir, packages) })
	})
}

// debootstrap makes a Debian system of a release in dir.
func debootstrap(ctx context.Context, suite, dir string, packages []string) error {
	if err := os.RemoveAll(dir); err != nil { // an earlier try
		return err
	}
	// It mounts file systems below the directory. In a mount namespace they
	// are gone with it, however it ends.
	cmd := exec.CommandContext(ctx, "unshare", "--mount", "--fork", "--kill-child",
		systemProgram("debootstrap"), "--variant=minbase", "--include="+strings.Join(packages, ","), suite, dir)
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("debootstrap: %w\n%s", err, tail(out))
	}
	// The packages are installed; their archives only take room.
	if err := os.RemoveAll(filepath.Join(dir, "var/cache/apt/archives")); err != nil {
		return err
	}
	// Look-ups are refused at once, as in every namespace of a lab.
	for name, text := range map[string]string{
		"resolv.conf": "nameserver 127.0.0.1\n",
		"hosts":       "127.0.0.1 localhost\n::1 localhost\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, "etc", name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// systemProgram finds a program of the system's folders where PATH lacks them.
func systemProgram(name string) string {
	if path := "/usr/sbin/" + name; fileExists(path) {
		return path
	}
	return name
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
