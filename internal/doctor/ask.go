package doctor

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"syscall"
	"time"

	"github.com/mxprint/mxprint/internal/config"
)

// askTime is how long the sensor of sensor.ask may take to accept.
const askTime = 2 * time.Second

// asked wants the sensor that is asked to accept connections. Whether token and
// certificate fit is in the log of serve.
func (e *examination) asked(ctx context.Context) {
	at, byTLS := e.Config.Sensor.AskTLS()
	if at == "" {
		return
	}
	network, addr, err := config.Endpoint(at)
	if byTLS {
		network, addr, err = "tcp", at, nil
	}
	if err != nil {
		return // the configuration was checked
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	nc, err := new(net.Dialer).DialContext(ctx, network, addr)
	switch {
	case err == nil:
		nc.Close()
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		e.find("sensor.ask", "on the machine of that sensor: systemctl start mxprint; [query] has to listen there", "no sensor listens at %s", addr)
	default:
		e.find("sensor.ask", "look at the network and the firewall between the two machines", "%s cannot be reached: %v", addr, err)
	}
}
