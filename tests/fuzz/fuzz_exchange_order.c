/* Bodies of POST and PATCH /v2/orders and of configurations: an order or a refusal; then a market that moves both ways, a close and a
 * night. The books add up after each. */
