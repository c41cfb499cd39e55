package daemon

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/evidence"
	"github.com/mxprint/mxprint/internal/shared"
	"github.com/mxprint/mxprint/internal/status"
)

// Fleet returns the sensors that share the store of a configuration.
func Fleet(ctx context.Context, c *config.Config) ([]status.Peer, error) {
	cfg, err := sharedOf(c)
	if err != nil {
		return nil, err
	}
	list, err := shared.List(ctx, *cfg)
	if err != nil {
		return nil, fmt.Errorf("the shared store at %s: %w", strings.Join(cfg.Servers, ", "), err)
	}
	return list, nil
}

// FleetEvidence returns the store of this site with the evidence of all that share
// the store of a configuration.
func FleetEvidence(ctx context.Context, c *config.Config, site evidence.Source) (evidence.Source, error) {
	cfg, err := sharedOf(c)
	if err != nil {
		return nil, err
	}
	counts, _, err := shared.Evidence(ctx, *cfg)
	if err != nil {
		return nil, fmt.Errorf("the shared store at %s: %w", strings.Join(cfg.Servers, ", "), err)
	}
	return fleetSource{site, counts}, nil
}

// fleetSource is a site with the evidence of others.
type fleetSource struct {
	evidence.Source
	counts *evidence.Counts
}

// Evidence implements evidence.Source.
func (f fleetSource) Evidence(context.Context) (*evidence.Counts, error) { return f.counts, nil }

// sharedOf reads how the store that sensors share is reached.
func sharedOf(c *config.Config) (*shared.Config, error) {
	s := &Settings{Config: c}
	if err := s.loadShared(); err != nil {
		return nil, err
	}
	if s.shared == nil {
		return nil, errors.New("the configuration names no store that sensors share: set [store] valkey (docs/shared-store.md)")
	}
	return s.shared, nil
}
