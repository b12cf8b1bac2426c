package wire

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
	"strconv"
)

// tenTo are the powers of ten that a uint64 can hold.
var tenTo = [...]uint64{
	1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
}

// floatTenTo are powers of ten, all of them exact.
var floatTenTo = [...]float64{
	1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
}

// countDigits returns how many decimal digits a number has.
func countDigits(n uint64) int {
	n |= 1                            // zero has one, too
	log := bits.Len64(n) * 1233 >> 12 // its logarithm to base ten, or one more
	if n >= tenTo[log] {
		log++
	}
	return log
}

func appendInt(dst []byte, n int64) []byte {
	if n < 0 {
		return appendUint(append(dst, '-'), -uint64(n))
	}
	return appendUint(dst, uint64(n))
}

func appendUint(dst []byte, n uint64) []byte {
	switch {
	case n < 10:
		return append(dst, '0'+byte(n))
	case n < 100:
		return appendPair(dst, n)
	case n >= 1e8:
		return appendDigits(appendUint(dst, n/1e8), n%1e8, 8)
	}
	digits := eightDigits(n)
	zeros := bits.TrailingZeros64(digits) / 8
	return appendWord(dst, (digits|'0'*everyByte)>>(8*zeros), 8-zeros)
}

// appendWord appends the lowest bytes of a word.
func appendWord(dst []byte, word uint64, size int) []byte {
	end := len(dst)
	dst = slices.Grow(dst, 8)[:end+8]
	binary.LittleEndian.PutUint64(dst[end:], word)
	return dst[:end+size]
}

// appendDigits writes n with leading zeros, in a width that it fits in.
func appendDigits(dst []byte, n uint64, width int) []byte {
	if width == 2 {
		return appendPair(dst, n)
	}
	if width > 8 {
		dst = appendDigits(dst, n/1e8, width-8)
		n, width = n%1e8, 8
	}
	return appendWord(dst, (eightDigits(n)|'0'*everyByte)>>(64-8*width), width)
}

// eightDigits returns the digits of a number below 1e8, from 0 to 9, the first one in
// the lowest byte. It halves all parts at once: into twice four digits, four times two, eight.
// The multiplications and shifts divide by 100 and by 10, exactly for parts that small.
func eightDigits(n uint64) uint64 {
	fours := n/1e4 | n%1e4<<32
	hundreds := fours * 10_486 >> 20 & 0x7f_0000_007f
	twos := hundreds | (fours-100*hundreds)<<16
	tens := twos * 103 >> 10 & 0xf_000f_000f_000f
	return tens | (twos-10*tens)<<8
}

// appendPair writes a number below 100 with two digits.
func appendPair(dst []byte, n uint64) []byte {
	return append(dst, '0'+byte(n/10), '0'+byte(n%10))
}

// appendFloat writes a number as ProtoJSON and encoding/json do: the shortest
// digits that read back the same, with an exponent where it is very small or large.
func appendFloat(dst []byte, f float64, size int) []byte {
	if digits, places := shortFloat(f, size); places >= 0 {
		return appendFixed(dst, f < 0, digits, places)
	}
	switch {
	case math.IsNaN(f):
		return append(dst, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(dst, `"-Infinity"`...)
	}
	abs := math.Abs(f)
	small, large := abs < 1e-6, abs >= 1e21
	if size == 32 {
		small, large = float32(abs) < 1e-6, float32(abs) >= 1e21
	}
	if abs == 0 || !small && !large {
		return strconv.AppendFloat(dst, f, 'f', -1, size)
	}
	dst = strconv.AppendFloat(dst, f, 'e', -1, size)
	if n := len(dst); dst[n-4] == 'e' && dst[n-3] == '-' && dst[n-2] == '0' {
		dst[n-2] = dst[n-1] // e-09 is written e-9
		dst = dst[:n-1]
	}
	return dst
}

// shortFloat returns the digits of a number's absolute value, and how many of them
// are behind the point, where they are few enough to be sure of: of the decimals with
// 15 digits (6 in 32 bits) no two are the same float, so the one that equals the
// number is the shortest that reads back the same. The comparison is exact, since
// digits and powers of ten of that size are. Otherwise places is negative. Most numbers
// in JSON are such, and take strconv three times as long.
func shortFloat(f float64, size int) (digits uint64, places int) {
	abs := math.Abs(f)
	most := 1e12
	if size == 32 {
		most = 1e5
	}
	if !(abs >= 1e-3 && abs < most) {
		return 0, -1
	}
	whole := int64(abs) // signed numbers are faster to convert
	if float64(whole) == abs {
		return uint64(whole), 0
	}
	var same bool
	var scaled int64
	if size == 32 {
		places = 6 - countDigits(uint64(whole))
		scaled = int64(abs*floatTenTo[places] + 0.5)
		same = float32(scaled)/float32(floatTenTo[places]) == float32(abs)
	} else {
		places = 15 - countDigits(uint64(whole))
		scaled = int64(abs*floatTenTo[places] + 0.5)
		same = float64(scaled)/floatTenTo[places] == abs
	}
	if !same {
		return 0, -1
	}
	return trimZeros(uint64(scaled), places)
}

// trimZeros drops zeros at the end of a decimal that is not whole.
func trimZeros(digits uint64, places int) (uint64, int) {
	if digits%1e8 == 0 {
		digits, places = digits/1e8, places-8
	}
	if digits%1e4 == 0 {
		digits, places = digits/1e4, places-4
	}
	if digits%1e2 == 0 {
		digits, places = digits/1e2, places-2
	}
	if digits%10 == 0 {
		digits, places = digits/10, places-1
	}
	return digits, places
}

// appendFixed writes a decimal with a point before the last places digits.
func appendFixed(dst []byte, negative bool, digits uint64, places int) []byte {
	if negative {
		dst = append(dst, '-')
	}
	if places == 0 {
		return appendUint(dst, digits)
	}
	unit := tenTo[places]
	dst = append(appendUint(dst, digits/unit), '.')
	return appendDigits(dst, digits%unit, places)
}
