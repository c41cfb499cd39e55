package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/internal/view"
)

var errCertificate = errors.New("the signatures are new, the old certificate stays")

// reloader reloads the signatures of a running sensor.
type reloader struct {
	database    *Database
	certificate func() error // reads it again; nil without one
	sensor      *sensor
	log         *slog.Logger
	mu          sync.Mutex // one at a time
}

// reload puts new signatures and a new certificate instead of the old
// ones, each of which stays where the new one is wrong. It returns the number
// of signatures.
func (r *reloader) reload() (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var certificate error
	if r.certificate != nil {
		if certificate = r.certificate(); certificate != nil {
			r.log.Error("the certificate cannot be read, the old one stays", "reason", certificate)
		}
	}
	db, err := r.database.Load()
	r.sensor.monitor.unreadable(err) // a sensor that asks another one reads them, too
	if err != nil {
		var syntax *signature.SyntaxError
		if errors.As(err, &syntax) {
			r.log.Error("signatures are wrong, the old ones stay", "place", fmt.Sprintf("%s:%d:%d", syntax.File, syntax.Line, syntax.Col), "reason", err)
		} else {
			r.log.Error("signatures cannot be read, the old ones stay", "reason", err)
		}
		return 0, err
	}
	if r.sensor.engine != nil {
		r.sensor.engine.SetDB(Public(db))
		r.sensor.db.Store(db)
		r.sensor.unknown.Drop(db)
		r.sensor.monitor.read(db)
	}
	r.log.Info("signatures reloaded", "signatures", db.Count())
	if certificate != nil {
		return 0, fmt.Errorf("%w: %w", errCertificate, certificate)
	}
	return db.Count(), nil
}

// watch returns the task that reloads at every SIGHUP, which comes by ch. From
// now on none is lost.
func (r *reloader) watch(ch <-chan os.Signal) task {
	return each(ch, func() { r.reload() }) // logs what came of it
}

// command does what a line on the query socket asks for.
func (r *reloader) command(_ context.Context, name string) (lines []byte, done string, err error) {
	if name == "status" {
		text, err := json.Marshal(r.sensor.monitor.status())
		return text, "that is all", err
	}
	if r.sensor.engine == nil {
		return nil, "", errors.New("no signatures here: sensor.ask names another sensor, which has them")
	}
	if name == "unknown" {
		return r.sensor.unknown.Text(), "that is all", nil
	}
	n, err := r.reload()
	switch {
	case errors.Is(err, errCertificate):
		return nil, "", err
	case err != nil:
		if lines = r.database.faults(); len(lines) == 0 {
			lines = []byte(err.Error())
		}
		return lines, "", errors.New("the old signatures stay")
	}
	done = view.Count(n, "signature")
	return []byte(done), done, nil
}
