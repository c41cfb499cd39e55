package doctor

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mxprint/mxprint/internal/config"
)

// slow is a time-out of a mail server by which a sensor that hangs holds up
// mail: the recipes have one second, amavis and our plugin less.
const slow = 2 * time.Second

// timeouts wants the time-outs of Postfix's line about us to be short, and mail
// to go on without an answer (postconf(5), smtpd_milters).
func (e *examination) timeouts(file, text string) {
	line := ""
	for _, at := range e.Config.Milter.Listen {
		if service := milterService(at); service != "" {
			if m := regexp.MustCompile(`\{[^{}]*` + regexp.QuoteMeta(service) + `\s*[,}][^{}]*\}?|` + regexp.QuoteMeta(service)).FindString(text); m != "" {
				line = m
				break
			}
		}
	}
	if line == "" {
		return
	}
	do := fmt.Sprintf("in %s: smtpd_milters = { %s, connect_timeout=1s, command_timeout=1s, content_timeout=1s, default_action=accept }; postfix reload", file, milterService(e.Config.Milter.Listen[0]))
	for _, kind := range []struct{ name, usual string }{{"connect", "30s"}, {"command", "30s"}, {"content", "300s"}} {
		value := first(setting(line, kind.name+"_timeout"), setting(text, "milter_"+kind.name+"_timeout"), kind.usual)
		if d, ok := postfixTime(value); ok && d > slow {
			e.find(file, do, "%s_timeout of the milter is %s: a sensor that hangs holds up each mail for so long", kind.name, value)
			return
		}
	}
	if action := first(setting(line, "default_action"), setting(text, "milter_default_action"), "tempfail"); action != "accept" {
		e.find(file, do, "default_action of the milter is %s: while no sensor runs, mail is not accepted", action)
	}
}

// milterService is how Postfix names a listener.
func milterService(at string) string {
	network, addr, err := config.Endpoint(at)
	if err != nil {
		return ""
	}
	return map[string]string{"unix": "unix:", "tcp": "inet:"}[network] + addr
}

// setting is the value of name=value or name = value; "" where it is not there.
func setting(text, name string) string {
	m := regexp.MustCompile(`(?:^|[\s,{])` + name + `\s*=\s*([^\s,}]+)`).FindStringSubmatch(text)
	if m == nil {
		return ""
	}
	return m[1]
}

func first(values ...string) string {
	return values[slices.IndexFunc(values, func(v string) bool { return v != "" })]
}

// postfixTime reads a time of Postfix: seconds without a unit (postconf(5)).
func postfixTime(value string) (time.Duration, bool) {
	if value != "" && value[len(value)-1] >= '0' && value[len(value)-1] <= '9' {
		value += "s"
	}
	if days, ok := strings.CutSuffix(value, "d"); ok {
		value = days + "h" // longer than a second all the same
	}
	d, err := time.ParseDuration(value)
	return d, err == nil
}

// rspamd wants its p0f module, where its files name one, to ask a socket of
// ours in a time that holds up no mail (docs/rspamd.md).
func (e *examination) rspamd() {
	file := e.rspamdFile()
	if file == "" {
		return
	}
	text := settings(readFile(file))
	value := func(name string) string { return strings.Trim(setting(text, name), `";`) }
	if path := value("socket"); path != e.Config.P0f.Socket {
		e.find(file, fmt.Sprintf("set socket = %q in it; systemctl reload rspamd", e.Config.P0f.Socket), "rspamd asks %q, and the sensor answers at %s", path, e.Config.P0f.Socket)
		return
	}
	if d, ok := postfixTime(first(value("timeout"), "5s")); ok && d > slow {
		e.find(file, "set timeout = 1s in it; systemctl reload rspamd", "its timeout is %v: a sensor that hangs holds up each mail for so long", d)
	}
	e.mayAsk(e.Config.P0f.Socket, "[p0f]", "_rspamd", file)
}

// rspamdFile is the file that turns the p0f module on; "" without one.
func (e *examination) rspamdFile() string {
	for _, sub := range []string{"override.d", "local.d"} {
		file := filepath.Join(e.Rspamd, sub, "p0f.conf")
		if text := settings(readFile(file)); text != "" && !strings.Contains(text, "enabled = false") {
			return file
		}
	}
	return ""
}

// queryClients wants Exim and OpenSMTPD, where their files ask the query socket, to be able to open it:
// they log nothing when they cannot, and the package's file lets root alone in.
func (e *examination) queryClients() {
	for _, path := range unixPaths(e.Config.Query.Listen) {
		if file := e.eximFile(path); file != "" {
			e.mayAsk(path, "[query]", "Debian-exim", file)
		}
		if strings.Contains(settings(readFile(e.Smtpd)), "filter-opensmtpd") {
			e.mayAsk(path, "[query]", "opensmtpd", e.Smtpd)
		}
	}
}

// eximFile is the file of Exim that names a socket; "" without one.
func (e *examination) eximFile(path string) string {
	if e.Exim == "" {
		return ""
	}
	for _, pattern := range []string{"*", "conf.d/*/*"} {
		files, _ := filepath.Glob(filepath.Join(e.Exim, pattern)) // the pattern is a good one
		for _, file := range files {
			if strings.Contains(settings(readFile(file)), path) {
				return file
			}
		}
	}
	return ""
}

// othersAsk reports whether another server than Postfix asks: one behind it, or Exim beside the files
// that a removed Postfix has left.
func (e *examination) othersAsk() bool {
	exim := func(path string) bool { return e.eximFile(path) != "" }
	return e.rspamdFile() != "" || len(e.Config.Amavis.Listen) > 0 || slices.ContainsFunc(unixPaths(e.Config.Query.Listen), exim)
}

// haraka wants the folder that was named to load a plugin that asks us
// (docs/haraka.md).
func (e *examination) haraka() {
	if e.Haraka == "" {
		return
	}
	plugins, ini := filepath.Join(e.Haraka, "config", "plugins"), filepath.Join(e.Haraka, "config", "p0f.ini")
	loaded := strings.Fields(settings(readFile(plugins)))
	own := slices.Contains(loaded, "mxprint")
	if !own && !slices.Contains(loaded, "p0f") {
		e.find(plugins, "echo p0f >> "+plugins+"; restart Haraka (docs/haraka.md)", "neither p0f nor mxprint is loaded: Haraka does not ask")
		return
	}
	path, want := setting(settings(readFile(ini)), "socket_path"), []string{e.Config.P0f.Socket}
	if own {
		want = e.Config.Query.Listen
		path = cmp.Or(path, config.DefaultQuerySocket)
	}
	if !slices.Contains(want, path) {
		e.find(ini, "set socket_path in it to one of the sensor's; restart Haraka", "Haraka asks %q, and the sensor answers at %s", path, strings.Join(want, " or "))
		return
	}
	e.harakaTime(own, ini)
}

// harakaTime wants a sensor that hangs to hold up no mail: our plugin has a
// deadline, the published one has Haraka's time-out of plugins, after which the
// mail is refused for the time being (Haraka's plugins.js, callback of denysoft).
func (e *examination) harakaTime(own bool, ini string) {
	if own {
		value := setting(settings(readFile(ini)), "deadline")
		if ms, err := strconv.Atoi(value); err == nil && time.Duration(ms)*time.Millisecond > slow {
			e.find(ini, "remove deadline from it, or set deadline=100; restart Haraka", "its deadline is %d ms: a sensor that hangs holds up each mail for so long", ms)
		}
		return
	}
	file, value := filepath.Join(e.Haraka, "config", "p0f.timeout"), ""
	for _, path := range []string{file, filepath.Join(e.Haraka, "config", "plugin_timeout")} {
		if value = strings.TrimSpace(readFile(path)); value != "" {
			break
		}
	}
	seconds, err := strconv.ParseFloat(first(value, "30"), 64)
	switch {
	case err != nil: // Haraka takes what it cannot read for nothing
		seconds = 30
	case seconds == 0:
		e.find(file, "echo 2 >"+file+"; restart Haraka", "the plugin p0f has no time-out: a sensor that hangs holds up each mail for 30 s")
		return
	}
	if time.Duration(seconds*float64(time.Second)) > slow {
		e.find(file, "echo 2 >"+file+"; restart Haraka; or load our plugin, which goes on after 100 ms (docs/haraka.md)",
			"the time-out of the plugin p0f is %v s: a sensor that hangs holds up each mail for so long, and then Haraka refuses it for the time being", seconds)
	}
}

// mayAsk wants a user of a mail server, which a file of it has ask, to be able to open a socket of that table.
func (e *examination) mayAsk(path, table, user, file string) {
	st, err := os.Stat(path)
	if err == nil && st.Mode()&os.ModeSocket != 0 && !mayOpen(user, st) {
		e.find("the rights of "+path, `set mode = "0666" below `+table+`; systemctl restart mxprint`,
			"the user %s may not open it (%v); %s names it", user, st.Mode().Perm(), file)
	}
}
