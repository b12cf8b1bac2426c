package resilience

import (
	"math"
	"slices"
)

// A bound says how much of something there is at the most, in terms of what only a request will tell: a sum of
// products of unknowns, such as 3·a + 2·a·b². Unknowns are one at least, so that a larger power is never less. The
// zero value is nothing. It is immutable.
type bound []term

type term struct {
	factor float64
	powers [maxUnknowns]uint8
}

// The bounds of a bound, so that no expression makes looking at it costly. What has more terms is rounded up to one
// term, and what has a larger power is more than any request may cost.
const (
	maxTerms = 16
	maxPower = 12
)

func constant(n float64) bound {
	if n == 0 {
		return nil
	}
	return bound{{factor: n}}
}

// unknown is the unknown with a number below maxUnknowns.
func unknown(number int) bound {
	t := term{factor: 1}
	t.powers[number] = 1
	return bound{t}
}

func (b bound) isConstant() bool {
	return !slices.ContainsFunc(b, func(t term) bool { return t.powers != [maxUnknowns]uint8{} })
}

// plus is the sum.
func (b bound) plus(others ...bound) bound {
	sum := slices.Clone(b)
	for _, other := range others {
		for _, t := range other {
			sum = sum.add(t, func(a, b float64) float64 { return a + b })
		}
	}
	return sum.rounded()
}

// or is what holds for either of two.
func (b bound) or(other bound) bound {
	both := slices.Clone(b)
	for _, t := range other {
		both = both.add(t, math.Max)
	}
	return both.rounded()
}

// add is for the making of a bound alone: it writes to b.
func (b bound) add(t term, join func(a, b float64) float64) bound {
	for i := range b {
		if b[i].powers == t.powers {
			b[i].factor = join(b[i].factor, t.factor)
			return b
		}
	}
	return append(b, t)
}

// rounded has few enough terms.
func (b bound) rounded() bound {
	if len(b) <= maxTerms {
		return b
	}
	var one term
	for _, t := range b {
		one.factor += t.factor
		for i, p := range t.powers {
			one.powers[i] = max(one.powers[i], p)
		}
	}
	return bound{one}
}

func (b bound) times(other bound) (product bound) {
	for _, x := range b {
		for _, y := range other {
			product = product.add(x.times(y), func(a, b float64) float64 { return a + b })
		}
	}
	return product.rounded()
}

func (t term) times(other term) term {
	t.factor *= other.factor
	for i, p := range other.powers {
		if t.powers[i] += p; t.powers[i] > maxPower {
			t.powers[i], t.factor = maxPower, math.Inf(1)
		}
	}
	return t
}

func (b bound) scaled(by float64) bound { return b.times(constant(by)) }

func (b bound) power(n uint8) bound {
	product := constant(1)
	for range n {
		product = product.times(b)
	}
	return product
}

// degree is the largest sum of powers.
func (b bound) degree() (most int) {
	for _, t := range b {
		sum := 0
		for _, p := range t.powers {
			sum += int(p)
		}
		most = max(most, sum)
	}
	return most
}

// at is the bound where the unknowns are known; those that are not told are one.
func (b bound) at(known ...float64) (sum float64) {
	for _, t := range b {
		product := t.factor
		for i, n := range known {
			for range t.powers[i] {
				product *= max(n, 1)
			}
		}
		sum += product
	}
	return sum
}

// amount is how much of a value there is: the bytes of its texts, where all that is no text counts as one; the
// elements of lists and maps in it; its parts, which are those and the fields that are set; and the elements of
// the value itself. Where it has elements, of the former three there are as many at least.
type amount [amounts]bound

// What an amount has.
const (
	inText = iota
	inElements
	inParts
	inLength
	amounts
)

// little is the amount of a number, or of anything that has no text and no parts.
var little = amount{inText: constant(1), inParts: constant(1)}

func text(bytes float64) amount { return amount{inText: constant(bytes + 1), inParts: constant(1)} }

// unknownAmount is made of the unknowns from a number on.
func unknownAmount(number int) (a amount) {
	for i := range a {
		a[i] = unknown(number + i)
	}
	return a
}

// part is anything within a value: it may be a list with all elements that there are.
func (a amount) part() amount {
	a[inLength] = a[inElements]
	return a
}

func (a amount) plus(other amount) amount {
	for i := range a {
		a[i] = a[i].plus(other[i])
	}
	return a
}

func (a amount) or(other amount) amount {
	for i := range a {
		a[i] = a[i].or(other[i])
	}
	return a
}

// listOf is the amount of a list that is written out.
func listOf(elements []amount) (list amount) {
	for _, one := range elements {
		list = list.plus(one)
	}
	n := constant(float64(len(elements)))
	for i := range list {
		list[i] = list[i].plus(n)
	}
	list[inLength] = n
	return list
}

// inAll is the sum of a bound over all elements of a list, where the unknowns from a number on are of one element.
func (b bound) inAll(list amount, number int) (sum bound) {
	for _, t := range b {
		powers := [amounts]uint8(t.powers[number : number+amounts])
		clear(t.powers[number : number+amounts])
		over := constant(1)
		for i, p := range powers {
			// The sum of powers is at most the power of the sum, and what is in the elements is in the list.
			over = over.times(list.part()[i].power(p))
		}
		if powers == [amounts]uint8{} {
			over = list[inLength]
		}
		sum = sum.plus(bound{t}.times(over))
	}
	return sum
}

func (a amount) inAll(list amount, number int) amount {
	for i := range a {
		a[i] = a[i].inAll(list, number)
	}
	return a
}

// with puts an amount in the place of the unknowns from a number on.
func (b bound) with(number int, a amount) (sum bound) {
	for _, t := range b {
		powers := [amounts]uint8(t.powers[number : number+amounts])
		clear(t.powers[number : number+amounts])
		product := bound{t}
		for i, p := range powers {
			product = product.times(a[i].power(p))
		}
		sum = sum.plus(product)
	}
	return sum
}
