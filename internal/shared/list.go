package shared

import (
	"context"

	"github.com/mxprint/mxprint/internal/evidence"
	"github.com/mxprint/mxprint/internal/status"
)

// List returns the sensors of a fleet (Store.Sensors), for a program that is not a
// sensor itself.
func List(ctx context.Context, cfg Config) (list []status.Peer, err error) {
	err = once(cfg, func(s *Store) error {
		list, err = s.Sensors(ctx)
		return err
	})
	return list, err
}

// Evidence returns the evidence of a fleet (Store.Evidence), for a program that is
// not a sensor itself.
func Evidence(ctx context.Context, cfg Config) (c *evidence.Counts, sites int, err error) {
	err = once(cfg, func(s *Store) error {
		c, sites, err = s.Evidence(ctx)
		return err
	})
	return c, sites, err
}

// once connects, for one question.
func once(cfg Config, do func(*Store) error) error {
	c, err := dial(&cfg)
	if err != nil {
		return err
	}
	defer c.Close()
	s := Open(cfg)
	s.read.Store(&link{c})
	return do(s)
}
