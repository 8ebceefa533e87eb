"""What lies in a mashup: noise bursts and voices of a bank, found, located and measured."""
