//! OpenPGP: keys, encryption, decryption, certificates of others.
