package main

import (
	"fmt"
	"os"
	"syscall"
)

// duplicate returns another descriptor for what file reads from or writes to. Programs started here do not get it.
func duplicate(file *os.File) (*os.File, error) {
	descriptor, err := syscall.Dup(int(file.Fd()))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file.Name(), err)
	}
	syscall.CloseOnExec(descriptor)
	return os.NewFile(uintptr(descriptor), file.Name()), nil
}

// redirect makes the standard streams lead to the file at path, which is created if need be. The descriptors stay
// the same, so whoever has kept one of os.Stdin, os.Stdout and os.Stderr is redirected, too.
func redirect(path string, streams ...*os.File) error {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	for _, stream := range streams {
		if err := syscall.Dup3(int(file.Fd()), int(stream.Fd()), 0); err != nil {
			return fmt.Errorf("%s to %s: %w", stream.Name(), path, err)
		}
	}
	return nil
}
