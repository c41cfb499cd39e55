package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/filter"
	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/shared"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/internal/sockops"
	"github.com/mxprint/mxprint/packet"
)

// Settings is a configuration with what its files hold.
type Settings struct {
	*config.Config
	// Version is what status reports as the version of the program.
	Version string

	db     *signature.DB
	rule   filter.Rule
	opener packet.Opener // of tunnels
	remote *remote
	shared *shared.Config // nil: none is configured
	export *exporting     // nil: no history is exported

	anyNetNS bool    // sensor.cgroup was named
	clients  int     // of each listener of a front; 0: the default
	late     []error // interfaces that are not there yet
}

// Load reads the files that a configuration names, and looks for the
// interfaces. It opens nothing that stays open. The error is everything that is
// wrong.
func Load(c *config.Config) (*Settings, error) {
	s := &Settings{Config: c}
	db, err := s.database().Load()
	s.db = db
	if err := errors.Join(s.loadRemote(), s.loadShared(), s.loadExport(), s.ofSignatures(err), s.loadSource()); err != nil {
		return nil, err
	}
	return s, nil
}

// ofSignatures says which key names a signature file that cannot be opened. A fault in a
// file has its own place.
func (s *Settings) ofSignatures(err error) error {
	var at *fs.PathError
	switch {
	case !errors.As(err, &at):
		return err
	case at.Path == s.Signatures.File:
		return s.At("signatures.file", err)
	}
	return s.At("signatures.extend", err)
}

// Count is how many signatures there are.
func (s *Settings) Count() int { return s.db.Count() }

// database is what [signatures] names.
func (s *Settings) database() *Database {
	return &Database{File: s.Signatures.File, With: s.Signatures.Extend}
}

// loadSource reads the filter, and looks for what the sensor is to look at.
func (s *Settings) loadSource() (err error) {
	if s.Sensor.Source == config.SourceSockops {
		s.anyNetNS = s.Sensor.Cgroup != ""
		if s.Sensor.Cgroup, err = sockops.FindCgroup(s.Sensor.Cgroup); err != nil {
			return s.At("sensor.cgroup", err)
		}
		return nil
	}
	if s.Sensor.Source == config.SourceProxy {
		return nil // all that is accepted counts
	}
	expr, key := s.Sensor.Filter, "sensor.filter"
	if s.Sensor.FilterProgram != "" {
		expr, key = "", "sensor.filter_program"
	}
	if s.rule, err = Rule(expr, s.Sensor.FilterProgram, signature.OpenFile); err != nil {
		return s.At(key, err)
	}
	if s.Sensor.Ask != "" {
		return nil // nothing is captured here
	}
	if s.opener, err = s.Sensor.Opener(); err != nil {
		return s.At("sensor.decapsulate", err)
	}
	if s.opener.Kinds != 0 {
		key = "sensor.decapsulate"
		s.rule.Tunnels = slices.Collect(s.opener.Kinds.All)
		if s.rule.TunnelsFrom, err = config.Networks(s.Sensor.DecapsulateFrom); err != nil {
			return s.At("sensor.decapsulate_from", err)
		}
		if err := s.rule.Check(int(packet.LinkEthernet)); err != nil {
			return s.At(key, err)
		}
	}
	for _, name := range s.Sensor.Interfaces {
		link, err := capture.RingLink(name)
		if errors.Is(err, capture.ErrNoInterface) {
			s.late = append(s.late, s.At("sensor.interfaces", err))
			continue
		}
		if err != nil {
			return s.At("sensor.interfaces", err)
		}
		if _, err := s.rule.Kernel(int(link)); err != nil {
			if s.opener.Kinds != 0 {
				err = fmt.Errorf("interface %s: %w", name, err)
			}
			return s.At(key, err)
		}
	}
	return nil
}

// Late are the interfaces that are not there; serve waits for each.
func (s *Settings) Late() []error { return s.late }
