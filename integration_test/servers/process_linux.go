package servers

import (
	"os"
	"syscall"
)

// tied makes the kernel end the child when this process dies, even killed.
func tied(death os.Signal, runAs *account) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if signal, ok := death.(syscall.Signal); ok {
		attr.Pdeathsig = signal
	}
	if runAs != nil {
		attr.Credential = &syscall.Credential{Uid: runAs.uid, Gid: runAs.gid}
	}
	return attr
}
