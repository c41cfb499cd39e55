package daemon

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/shared"
	"github.com/mxprint/mxprint/internal/status"
)

// Fleet returns the sensors that share the store of a configuration.
func Fleet(ctx context.Context, c *config.Config) ([]status.Peer, error) {
	s := &Settings{Config: c}
	if err := s.loadShared(); err != nil {
		return nil, err
	}
	if s.shared == nil {
		return nil, errors.New("the configuration names no store that sensors share: set [store] valkey (docs/shared-store.md)")
	}
	list, err := shared.List(ctx, *s.shared)
	if err != nil {
		return nil, fmt.Errorf("the shared store at %s: %w", strings.Join(s.shared.Servers, ", "), err)
	}
	peers := make([]status.Peer, len(list))
	for i, one := range list {
		peers[i] = status.Peer(one)
	}
	return peers, nil
}
