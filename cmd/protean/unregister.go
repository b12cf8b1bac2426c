package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
)

func unregisterCommand(getenv func(string) string) *cobra.Command {
	client := &adminClient{getenv: getenv}
	in := &adminv1.DeleteBackendRequest{}
	override := ""
	c := &cobra.Command{
		Use:   "unregister NAME",
		Short: "Take a registered backend out of service",
		Long: `Deletes a backend from a running gateway. Its services are not served any more, or by
another backend that has them. The compatibility check prints what would break and which
clients used it; if anything would, the deletion needs --override REASON. The revisions
stay, and ` + "`protean rollback`" + ` or ` + "`protean register`" + ` brings the backend back.

Exit codes: 0 deleted, 1 failed, 2 wrong command line, 3 rejected by the compatibility
check. --dry-run prints what would happen and changes nothing, with the same exit codes.`,
		Example: `  protean unregister orders --dry-run
  protean unregister orders --override 'nobody has called it since May'`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := client.read(cmd); err != nil {
				return err
			}
			in.Backend, in.Override = args[0], overrideFor(override)
			out := &adminv1.DeleteBackendResponse{}
			err := client.call(cmd.Context(), "DeleteBackend", in, out)
			return client.unregistered(cmd, in, out, err)
		},
	}
	f := c.Flags()
	f.StringVar(&in.Expected, "expected", "", "the `DIGEST` of the current revision")
	f.StringVar(&in.Reason, "reason", "", "why; it is kept with the history")
	f.StringVar(&override, "override", "", "accept breaking findings, for this `REASON`, which is kept and logged")
	f.BoolVar(&in.DryRun, "dry-run", false, "only print what would happen")
	client.addTo(c)
	return c
}

// unregistered prints the outcome of a deletion.
func (a *adminClient) unregistered(cmd *cobra.Command, in *adminv1.DeleteBackendRequest, out *adminv1.DeleteBackendResponse, err error) error {
	refused, blocked := errors.AsType[*adminError](err)
	if blocked = blocked && refused.detail(out); err != nil && !blocked {
		return err
	}
	if err := a.show(cmd, out, func(p *printer) {
		p.findings(out.GetFindings())
		p.summary(out.GetFindings())
		p.acceptedBy(out.GetAcceptedBy())
		switch {
		case out.GetBlocked():
			p.rejected(out.GetFindings(), in.GetDryRun())
		case in.GetDryRun():
			fmt.Fprintln(p.out, p.in(green, "This would be deleted.")+" Nothing was changed.")
		default:
			fmt.Fprintf(p.out, "%s %s is not served any more.\n", p.in(green, "Deleted:"), plain(in.GetBackend()))
		}
	}); err != nil {
		return err
	}
	if out.GetBlocked() {
		return errRejected
	}
	return nil
}
