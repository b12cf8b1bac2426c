// Package auth says who is calling and what they may do and see: credentials
// become an [rpc.Principal], and policies decide about calls and about the fields
// of their answers.
//
// The way of a credential: authenticators.go picks who knows it; jwt.go, apikey.go,
// certificate.go or introspection.go makes the principal. The way of a call:
// authorize.go refuses it or adds what the backend is told (identity.go); redact.go
// takes out of the answers what the caller may not see.
//
// Whatever cannot be decided is refused.
package auth

import (
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// refusal is a credential or a call that was refused. Its status has words for the
// client, which tell nothing that helps to forge; reason is for the audit log and
// never has the credential in it.
type refusal struct {
	code    codes.Code
	message string
	reason  string
}

func (r *refusal) Error() string { return r.message }

// GRPCStatus returns what the client hears.
func (r *refusal) GRPCStatus() *status.Status { return status.New(r.code, r.message) }

// Reason returns why a credential or a call was refused, in words for an operator.
// It never has a credential in it.
func Reason(err error) string {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r.reason
	}
	return status.Convert(err).Message()
}

// invalid refuses credentials that are no good.
func invalid(reason string) error {
	return &refusal{codes.Unauthenticated, "the credentials are not valid", reason}
}

// expired refuses credentials whose time is over, which a client can mend.
func expired(reason string) error {
	return &refusal{codes.Unauthenticated, "the credentials have expired", reason}
}

// unavailable refuses credentials that cannot be checked now.
func unavailable(reason string) error {
	return &refusal{codes.Unavailable, "the credentials cannot be checked at the moment; try again later", reason}
}
