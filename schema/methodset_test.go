package schema_test

import (
	"testing"

	"github.com/protean-gateway/protean/schema"
)

func TestMethodSet(t *testing.T) {
	for _, n := range []int{0, 1, 7, 8, 9, 17} {
		list := make([]*schema.Method, n)
		for i := range list {
			list[i] = new(schema.Method)
		}
		if _, all := schema.MethodsWith(list, func(*schema.Method) bool { return true }); !all {
			t.Errorf("%d methods are not all of themselves", n)
		}
		for left, one := range list {
			set, all := schema.MethodsWith(list, func(m *schema.Method) bool { return m != one })
			in, out := set.Split(list)
			if all || len(in) != n-1 || in[one] || len(out) != 1 || !out[one] {
				t.Errorf("%d methods less %d: %d in the set, %d not", n, left, len(in), len(out))
			}
		}
	}
}
