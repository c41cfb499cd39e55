package daemon

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/export"
	"github.com/mxprint/mxprint/internal/store"
)

// minKey is how long the key of hashes is at least, in bytes.
const minKey = 16

// exporting is what the files of [export] hold.
type exporting struct {
	clickhouse *export.ClickHouse // nil: none
	key        []byte
}

// loadExport reads the files of [export].
func (s *Settings) loadExport() (err error) {
	c := &s.Export
	if !c.On() {
		return nil
	}
	s.export = &exporting{}
	if c.KeyFile != "" {
		key, err := readSecret(c.KeyFile)
		if err == nil && len(key) < minKey {
			err = fmt.Errorf("%s: want %d bytes at least: (umask 077; openssl rand -hex 32 >%s)", c.KeyFile, minKey, c.KeyFile)
		}
		if err != nil {
			return s.At("export.key_file", err)
		}
		s.export.key = []byte(key)
	}
	if c.ClickHouse != "" {
		s.export.clickhouse, err = clickHouse(s.Config)
	}
	return err
}

// clickHouse is the server that [export] names.
func clickHouse(c *config.Config) (ch *export.ClickHouse, err error) {
	e := &c.Export
	server := export.ClickHouseConfig{URL: e.ClickHouse, Database: e.Database, User: e.User, Deadline: e.Deadline, Keep: e.Age}
	if e.PasswordFile != "" {
		if server.Password, err = readSecret(e.PasswordFile); err != nil {
			return nil, c.At("export.password_file", err)
		}
	}
	if e.TLS() {
		server.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
		if e.CA != "" {
			text, err := os.ReadFile(e.CA)
			if err != nil {
				return nil, c.At("export.ca", err)
			}
			server.TLS.RootCAs = x509.NewCertPool()
			if !server.TLS.RootCAs.AppendCertsFromPEM(text) {
				return nil, c.At("export.ca", errors.New("no certificate in PEM in "+e.CA))
			}
		} else if server.TLS.RootCAs, err = x509.SystemCertPool(); err != nil { // now: the sandbox hides them later
			return nil, c.At("export.clickhouse", err)
		}
	}
	ch, err = export.NewClickHouse(server)
	return ch, c.At("export.clickhouse", err)
}

// ExportReader reads the history that [export] of a configuration sends.
func ExportReader(c *config.Config) (*export.Reader, error) {
	if c.Export.ClickHouse == "" {
		return nil, errors.New("the configuration names no ClickHouse: set [export] clickhouse (docs/clickhouse.md)")
	}
	ch, err := clickHouse(c)
	if err != nil {
		return nil, err
	}
	return &export.Reader{ClickHouse: ch}, nil
}

// readSecret reads a file with one line, which not every user may read.
func readSecret(path string) (string, error) {
	st, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !st.Mode().IsRegular() || st.Size() > 1024 {
		return "", fmt.Errorf("%s: not a file with one line", path)
	}
	if st.Mode().Perm()&0o007 != 0 {
		return "", fmt.Errorf("%s: every user may read it; chmod o= %s", path, path)
	}
	text, err := os.ReadFile(path)
	secret := strings.TrimSpace(string(text))
	if err == nil && (secret == "" || strings.ContainsAny(secret, "\r\n")) {
		err = fmt.Errorf("%s: not a file with one line", path)
	}
	return secret, err
}

// openExport opens the spool and the file of history, if there are to be any.
func (o *opener) openExport() {
	c := &o.Export
	if !c.On() {
		return
	}
	if o.trial != nil {
		if c.ClickHouse != "" {
			o.fail("export.spool", "export", tryFolder(c.Spool))
		}
		if c.File != "" {
			o.fail("export.file", "export", tryAppend(c.File))
		}
		return
	}
	sensor, _ := os.Hostname()
	cfg := export.Config{ClickHouse: o.export.clickhouse, Spool: c.Spool, MaxSpool: int64(c.SpoolMiB) << 20, Every: c.Every, Sensor: sensor, Key: o.export.key, Logger: o.log}
	for _, name := range c.Tables {
		if t, ok := export.ParseTable(name); ok {
			cfg.Tables = append(cfg.Tables, t)
		}
	}
	if c.File != "" {
		f, err := OpenLog(c.File, o.user)
		if err != nil {
			o.fail("export.file", "export", err)
			return
		}
		o.close(f)
		o.rowFile, cfg.File = f, f
	}
	if c.ClickHouse != "" {
		if err := makeFolder(c.Spool, o.user); err != nil {
			o.fail("export.spool", "export", err)
			return
		}
	}
	e, err := export.New(cfg)
	if err != nil {
		o.fail("export.spool", "export", err)
		return
	}
	o.close(e)
	o.exporter = e
	if c.ClickHouse != "" {
		o.fail("export.spool", "export", o.user.giveTree(c.Spool))
	}
}

// giveTree makes a folder and the files in it the user's.
func (a *account) giveTree(folder string) error {
	if a == nil {
		return nil
	}
	list, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, item := range list {
		if item.Type().IsRegular() {
			err = errors.Join(err, a.giveFile(filepath.Join(folder, item.Name())))
		}
	}
	return errors.Join(err, a.giveFolder(folder))
}

// tryFolder tries whether files can be made in a folder, which it makes and
// removes if it does not exist.
func tryFolder(folder string) error {
	made, err := makeAll(folder)
	defer removeAll(made)
	if err == nil {
		err = tryReplace(filepath.Join(folder, "lock"))
	}
	return err
}

// exports has the answers of the sensor pass by the exporter, and adds its task.
func (o *opener) exports() {
	e := o.exporter
	if e == nil {
		return
	}
	o.in.who = e.Lookuper(o.in.who)
	o.in.monitor.exporter = e
	if o.rowFile != nil {
		o.in.logs = append(o.in.logs, o.rowFile)
	}
	o.tasks = append(o.tasks, without(o.log, "the export of history", e.Run))
}

// savesRows has the rows in memory written before the process executes another
// program, and at its end.
func (o *opener) savesRows() {
	if o.exporter == nil {
		return
	}
	before := o.process.Save
	o.process.Save = func() {
		if before != nil {
			before()
		}
		o.exporter.Save()
	}
}

// judged is what the store calls with each verdict; nil: nothing.
func (o *opener) judged() func(connection string, v *store.Verdict) {
	if o.exporter == nil {
		return nil
	}
	return o.exporter.Judged
}

// forgetRows removes a subject from the rows.
func (o *opener) forgetRows(ctx context.Context, sub store.Subject) error {
	_, err := o.exporter.Forget(ctx, sub)
	return err
}

// wantsRow reports whether an observation becomes a row.
func (o *opener) wantsRow(ob *event.Observation) bool {
	return o.exporter != nil && o.exporter.Wants(ob)
}

// exportFiles are the folder and files of [export], for the sandbox: what is
// replaced, and what is read.
func (s *Settings) exportFiles() (replace, read, trees []string) {
	c := &s.Export
	if c.ClickHouse == "" {
		return nil, []string{c.KeyFile}, nil
	}
	if c.TLS() && c.CA == "" {
		trees = systemCAs
	}
	return []string{filepath.Join(c.Spool, "lock")}, []string{c.KeyFile, c.PasswordFile, c.CA}, append(trees[:len(trees):len(trees)], c.Spool)
}
