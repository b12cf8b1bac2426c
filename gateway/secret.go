package gateway

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

const maxSecretBytes = 64 << 10

// password reads a secret that may be kept in the environment or in a file alone.
func password(value string) (string, error) {
	if value != "" && !strings.HasPrefix(value, "env:") && !strings.HasPrefix(value, "file:") {
		return "", errors.New("write env:NAME or file:PATH, not the secret itself")
	}
	return secret(value)
}

// secret reads a value that may be kept elsewhere: `env:NAME` in the environment,
// `file:PATH` in a file. Everything else is the value itself.
func secret(value string) (string, error) {
	if name, ok := strings.CutPrefix(value, "env:"); ok {
		found, ok := os.LookupEnv(name)
		if !ok {
			return "", fmt.Errorf("the environment variable %s is not set", name)
		}
		return found, nil
	}
	path, ok := strings.CutPrefix(value, "file:")
	if !ok {
		return value, nil
	}
	data, err := readBounded(path, maxSecretBytes, fmt.Errorf("%s is larger than %d bytes", path, maxSecretBytes))
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(data), "\r\n"), nil
}
