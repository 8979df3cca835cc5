package money_test

import (
	"fmt"

	"github.com/attualizza/attualizza/internal/money"
)

// On the SOAP wire an amount is euro with two decimals, in memory it is cents,
// and a person reads it as it is written in Italy.
func ExampleParseEuro() {
	c, err := money.ParseEuro("1234.50")
	fmt.Println(int64(c), c.Euro(), c, err)
	_, err = money.ParseEuro("1234,5")
	fmt.Println(err)
	// Output:
	// 123450 1234.50 1.234,50 € <nil>
	// is not an amount in euro with two decimals, at most 999999999.99
}

// Seventy per cent of 0.15 euro is 10.5 cents: halves go up.
func ExampleCents_MulDiv() {
	c, err := money.Cents(15).MulDiv(70, 100)
	fmt.Println(c, err)
	// Output: 0,11 € <nil>
}
