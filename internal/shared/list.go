package shared

import "context"

// List returns the sensors of a fleet (Store.Sensors), for a program that is not a
// sensor itself.
func List(ctx context.Context, cfg Config) ([]Sensor, error) {
	c, err := dial(&cfg)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	s := Open(cfg)
	s.read.Store(&link{c})
	return s.Sensors(ctx)
}
