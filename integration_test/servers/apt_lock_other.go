//go:build !linux

package servers

import (
	"context"
	"errors"
)

func lockInstall(context.Context) (unlock func(), err error) {
	return nil, errors.New("apt-get installs servers on Linux only")
}
