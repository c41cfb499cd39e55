package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Export is [export], history for ClickHouse and for a file.
type Export struct {
	ClickHouse   string        `toml:"clickhouse"`
	Database     string        `toml:"database"`
	User         string        `toml:"user"`
	PasswordFile string        `toml:"password_file"`
	CA           string        `toml:"ca"`
	Spool        string        `toml:"spool"`
	SpoolMiB     int           `toml:"spool_mib"`
	Every        time.Duration `toml:"every"`
	Deadline     time.Duration `toml:"deadline"`
	Age          time.Duration `toml:"age"`
	Tables       []string      `toml:"tables"`
	KeyFile      string        `toml:"key_file"`
	File         string        `toml:"file"`
}

// ExportTables are the names that export.tables may have.
var ExportTables = []string{"observations", "notes", "verdicts"}

func defaultExport() Export {
	return Export{
		Database: "mxprint", SpoolMiB: 1024, Every: 5 * time.Second, Deadline: 30 * time.Second, Age: 2160 * time.Hour,
		Tables: slices.Clone(ExportTables),
	}
}

// On reports whether history is exported.
func (e *Export) On() bool { return e.ClickHouse != "" || e.File != "" }

// TLS reports whether ClickHouse is asked by TLS.
func (e *Export) TLS() bool { return strings.HasPrefix(e.ClickHouse, "https://") }

var databaseName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)

func (e *Export) check(k *checker) {
	if e.ClickHouse != "" {
		u, err := url.Parse(e.ClickHouse)
		ok := err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https") && strings.Trim(u.Path, "/") == "" && u.RawQuery == ""
		k.that(ok, "export.clickhouse", `want http://HOST:PORT or https://HOST:PORT`)
		k.that(!ok || u.User == nil, "export.clickhouse", "want no user and password in it: other users may read the configuration; set user and password_file")
	}
	k.that(databaseName.MatchString(e.Database), "export.database", "want letters, digits and _, 64 at most")
	k.that(e.PasswordFile == "" || e.User != "", "export.user", "name the user whose password export.password_file has")
	k.that(e.CA == "" || e.TLS(), "export.ca", "only https:// has certificates")
	k.that(e.ClickHouse == "" || filepath.IsAbs(e.Spool), "export.spool", "want the absolute path of a folder: rows wait in it until ClickHouse has taken them")
	k.between(e.SpoolMiB, 16, 1_000_000, "export.spool_mib")
	k.that(e.Every >= time.Second && e.Every <= 10*time.Minute, "export.every", `want a duration from "1s" to "10m"`)
	k.that(e.Deadline >= time.Second && e.Deadline <= 10*time.Minute, "export.deadline", `want a duration from "1s" to "10m"`)
	k.that(e.Age >= 24*time.Hour && e.Age <= 87600*time.Hour && e.Age%(24*time.Hour) == 0, "export.age", `want whole days, from "24h" to "87600h"`)
	for _, name := range e.Tables {
		k.that(slices.Contains(ExportTables, name), "export.tables", fmt.Sprintf(`%q is not "observations", "notes" or "verdicts"`, name))
	}
	k.that(len(e.Tables) > 0, "export.tables", "want one at least")
	k.that(e.File == "" || filepath.IsAbs(e.File), "export.file", "want the absolute path of a file")
}

// host is where ClickHouse is, as an endpoint.
func (e *Export) host() string {
	u, err := url.Parse(e.ClickHouse)
	if e.ClickHouse == "" || err != nil {
		return ""
	}
	if u.Port() == "" {
		return net.JoinHostPort(u.Hostname(), "80")
	}
	return u.Host
}

// inClear reports whether rows and password go over a network as they are.
func (e *Export) inClear() bool {
	host, _, err := net.SplitHostPort(e.host())
	if err != nil || e.TLS() || host == "localhost" {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return err != nil || !ip.IsLoopback()
}
